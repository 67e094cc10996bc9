//! The bench's own command line: what comes behind `cargo bench --bench import --`.

/// What to measure.
pub struct Args {
    /// Size of the chain, in GB of 10^9 bytes.
    pub gb: f64,
    /// Seed of the chain.
    pub seed: u64,
    /// How often each job runs.
    pub runs: usize,
    /// The block files are not obfuscated.
    pub plain: bool,
    /// Handed to blkdex's own `--memory`.
    pub memory: Option<String>,
    /// Which jobs to run; empty: all.
    pub only: Vec<String>,
    /// Makes the chain, prints its facts and stops.
    pub generate_only: bool,
}

/// What `--help` says.
pub const HELP: &str = "\
cargo bench --bench import -- [OPTIONS]

  --gb SIZE        size of the chain in GB [default: 2]; made once, kept under target/bench-chains
  --seed N         another chain of that size [default: 1]
  --plain          block files without obfuscation
  --runs N         how often each job runs; the median is shown [default: 3]
  --memory SIZE    passed on to every blkdex command
  --only LIST      of: stream,floor,import,eighth,verify,balance,history,service,wallet,
                   scripts,set,events,outpoints,tip,undo,dataset,binary
                   [default: all; above 10 GB without dataset and binary]
  --generate-only  make the chain and print its facts";

impl Args {
    /// Reads the arguments, or says what is wrong with them.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
        let mut args = Args {
            gb: 2.0,
            seed: 1,
            runs: 3,
            plain: false,
            memory: None,
            only: Vec::new(),
            generate_only: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--gb" => args.gb = number(&word, &value()?)?,
                "--seed" => args.seed = number(&word, &value()?)?,
                "--runs" => args.runs = number::<usize>(&word, &value()?)?.max(1),
                "--plain" => args.plain = true,
                "--memory" => args.memory = Some(value()?),
                "--only" => args.only = value()?.split(',').map(str::to_owned).collect(),
                "--generate-only" => args.generate_only = true,
                "--bench" => {} // cargo says so to every bench
                _ => return Err(format!("{word} is unknown\n\n{HELP}")),
            }
        }
        Ok(args)
    }
}

fn number<T: std::str::FromStr>(word: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{word} needs a number, not {value}"))
}
