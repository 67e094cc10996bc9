#!/usr/bin/env python3
"""Bitcoin Core's own engine (PyPI: py-bitcoinkernel), one chain after the other, over stdin and stdout.

Each line in is a command, each gets one line out:
  begin DIR     a new regtest chain whose datadir is DIR
  block HEX     gives it a block: "accepted", or "refused"
  tip           height and hash of its active tip
  end           lets go of the chain, so that its files are whole
"""
import sys
from pathlib import Path

import pbk

core = None
for line in sys.stdin:
    command, _, argument = line.strip().partition(" ")
    said = "done"
    if command == "begin":
        folder = Path(argument) / "regtest"
        folder.mkdir(parents=True)
        core = pbk.load_chainman(folder, pbk.ChainType.REGTEST)
    elif command == "block":
        try:
            core.process_block(pbk.Block(bytes.fromhex(argument)))
            said = "accepted"
        except Exception:  # Core says no: it keeps the block or not, as a node would
            said = "refused"
    elif command == "tip":
        chain = core.get_active_chain()
        said = f"{chain.height} {chain.block_tree_entries[chain.height].block_hash}"
    elif command == "end":
        core = None
    print(said, flush=True)
