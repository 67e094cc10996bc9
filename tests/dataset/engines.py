#!/usr/bin/env python3
"""Asks a data set in an engine.

usage: engines.py ENGINE SET QUESTIONS
  ENGINE     duckdb, spark or polars
  SET        the folder that `blkdex export parquet` wrote
  QUESTIONS  JSON: {"sql": {name: text, ...}, "schema": true}

Prints a line of JSON: {"answers": {name: [row, ...], ...}, "schema": {table: {column: type}}}
"""
import datetime
import decimal
import json
import sys

TABLES = ("blocks", "transactions", "inputs", "outputs")


def plain(value):
    if isinstance(value, decimal.Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return value


class DuckDb:
    def __init__(self, folder):
        import duckdb

        self.engine = duckdb.connect(config={"threads": 2})
        self.engine.execute("set TimeZone = 'UTC'")
        self.engine.execute("create macro unix_seconds(t) as epoch_us(t) // 1000000")
        for table in TABLES:
            self.engine.execute(f"create view {table} as from '{folder}/{table}/*.parquet'")

    def ask(self, sql):
        return self.engine.execute(sql).fetchall()

    def schema(self, table):
        return {name: kind for name, kind, *_ in self.engine.execute(f"describe {table}").fetchall()}


class Spark:
    def __init__(self, folder):
        from pyspark.sql import SparkSession

        options = {
            "spark.ui.enabled": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "4",
            "spark.driver.memory": "3g",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.log.level": "ERROR",
        }
        builder = SparkSession.builder.master("local[2]")
        for name, value in options.items():
            builder = builder.config(name, value)
        self.engine = builder.getOrCreate()
        for table in TABLES:
            self.engine.read.parquet(f"{folder}/{table}").createOrReplaceTempView(table)

    def ask(self, sql):
        return [tuple(row) for row in self.engine.sql(sql).collect()]

    def schema(self, table):
        return {field.name: field.dataType.simpleString() for field in self.engine.table(table).schema}


class Polars:
    def __init__(self, folder):
        import polars

        self.engine = polars.SQLContext()
        for table in TABLES:
            self.engine.register(table, polars.scan_parquet(f"{folder}/{table}/*.parquet"))

    def ask(self, sql):
        return self.engine.execute(sql, eager=True).rows()

    def schema(self, table):
        frame = self.engine.execute(f"select * from {table}")
        return {name: str(kind) for name, kind in frame.collect_schema().items()}


def main():
    name, folder, questions = sys.argv[1:]
    engine = {"duckdb": DuckDb, "spark": Spark, "polars": Polars}[name](folder)
    with open(questions) as file:
        asked = json.load(file)
    answers = {
        name: [[plain(value) for value in row] for row in engine.ask(sql)]
        for name, sql in asked["sql"].items()
    }
    schema = {table: engine.schema(table) for table in TABLES} if asked.get("schema") else None
    print(json.dumps({"answers": answers, "schema": schema}))


main()
