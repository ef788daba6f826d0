//! `fathom puzzles`: Sudokus to try models on, or to train them on; none of them is another one in disguise.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, anyhow};
use clap::Args;
use fathom_engine::puzzle::Random;
use fathom_engine::puzzle::sudoku::{Grade, Made, Shape, generate};
use tempfile::NamedTempFile;

use crate::args::at_least_one;
use crate::failure::usage;

use super::solve::input;
use super::solve::question::Question;

const EXAMPLES: &str = "\
Comma-separated values: puzzle, solution (both row by row, . for a blank), givens, grade. What a grade needs:
  easy     naked singles: a cell with one candidate left
  medium   hidden singles too: a digit with one cell left
  hard     also locked candidates, naked and hidden pairs and triples, X-wings
  extreme  more than these, or guessing

Examples:
  fathom puzzles                                     one Sudoku of 9x9
  fathom puzzles --grade extreme --seed 7            one that people have to guess at
  fathom puzzles --size 6 -n 1000 --givens 10-24 -o held_out.csv
  fathom puzzles --size 6 -n 4400 --givens 10-24 --seed 1 --without held_out.csv -o train.csv
  fathom puzzles -n 300 --grade medium,hard,extreme --givens 22-32";

/// `fathom puzzles`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PuzzlesArgs {
    /// Rows and columns: 4, 6 (boxes of 2 rows and 3 columns) or 9
    #[arg(long, value_name = "N", default_value = "9", value_parser = shape)]
    pub size: Shape,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = at_least_one,
        allow_negative_numbers = true)]
    pub count: u32,
    /// Digits that are given: A-B, spread evenly, or a number [default: 10-24 of 36 cells, 26-40 of 81]
    #[arg(long, value_name = "A-B")]
    pub givens: Option<Givens>,
    /// How hard for a person: easy, medium, hard, extreme; several take turns [default: as they fall]
    #[arg(long, value_name = "GRADE", value_delimiter = ',')]
    pub grade: Vec<Grade>,
    /// The same seed makes the same puzzles
    #[arg(short, long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
    /// None that a symmetry makes one of these: a file as this command writes it, or with one puzzle a line; may
    /// be given several times
    #[arg(long, value_name = "FILE")]
    pub without: Vec<PathBuf>,
    /// Where to write them [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `--givens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Givens {
    fewest: usize,
    most: usize,
}

impl FromStr for Givens {
    type Err = String;

    /// A-B, or one number.
    fn from_str(text: &str) -> Result<Givens, String> {
        let (fewest, most) = text.split_once('-').unwrap_or((text, text));
        match (fewest.parse(), most.parse()) {
            (Ok(fewest), Ok(most)) if fewest <= most => Ok(Givens { fewest, most }),
            _ => Err("expected a number, or two with the smaller first, such as 26-40".to_owned()),
        }
    }
}

impl Givens {
    /// Where nothing is said: few enough to be puzzles.
    fn usual(shape: Shape) -> Givens {
        let (fewest, most) = match shape {
            Shape::FOUR => (4, 10),
            Shape::SIX => (10, 24),
            _ => (26, 40),
        };
        Givens { fewest, most }
    }

    /// Beginning at the n-th of them, around and around.
    fn from(self, n: usize) -> RangeInclusive<usize> {
        self.fewest + n % (self.most - self.fewest + 1)..=self.most
    }
}

/// Rows of a board.
pub fn shape(text: &str) -> Result<Shape, String> {
    let found = text.parse().ok().and_then(Shape::of_side);
    found.ok_or_else(|| "expected 4, 6 or 9".to_owned())
}

/// Puzzles in a row that were there already, before there are thought to be no others.
const MOST_REPEATED: u32 = 1000;

/// Carries out `fathom puzzles`.
pub fn puzzles(args: PuzzlesArgs) -> anyhow::Result<ExitCode> {
    let cells = args.size.cells();
    let givens = args.givens.unwrap_or(Givens::usual(args.size));
    if givens.most > cells {
        return Err(usage(format!(
            "--givens: a board of {} has {cells} cells, not {}",
            args.size, givens.most
        )));
    }
    let mut seen = HashSet::new();
    for path in &args.without {
        let given = input::read(&path.display().to_string()).context("--without")?;
        seen.extend(given.questions.iter().filter_map(|question| match question {
            Question::Sudoku { puzzle, .. } => Some(puzzle.fingerprint()),
            _ => None,
        }));
    }
    let maker = Maker { shape: args.size, givens, grades: args.grade, random: Random::new(args.seed), seen };
    match &args.out {
        None => maker.write(args.count as usize, &mut io::stdout().lock())?,
        // A device or a pipe is written to, not replaced.
        Some(path) if path.exists() && !path.is_file() => {
            let mut file = File::create(path).with_context(|| format!("--out {}", path.display()))?;
            maker.write(args.count as usize, &mut file)?;
        }
        Some(path) => {
            let context = || format!("--out {}", path.display());
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut builder = tempfile::Builder::new();
            // As any new file; the user's mask applies.
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let mut file: NamedTempFile =
                builder.tempfile_in(folder.unwrap_or(Path::new("."))).with_context(context)?;
            maker.write(args.count as usize, &mut file)?;
            // Whole, or as it was.
            file.persist(path).with_context(context)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Maker {
    shape: Shape,
    givens: Givens,
    /// None: as they fall.
    grades: Vec<Grade>,
    random: Random,
    /// Fingerprints of what must not be made again.
    seen: HashSet<u64>,
}

impl Maker {
    fn write(mut self, count: usize, out: &mut impl Write) -> anyhow::Result<()> {
        let mut out = BufWriter::new(out);
        for i in 0..count {
            let Made { puzzle, solution, grade } = self.next(i)?;
            if i == 0 {
                writeln!(out, "puzzle,solution,givens,grade")?;
            }
            writeln!(out, "{},{},{},{grade}", puzzle.line(), solution.line(), puzzle.givens())?;
        }
        out.flush()?;
        Ok(())
    }

    /// The i-th puzzle. Grades take turns, and each goes through the range of givens.
    fn next(&mut self, i: usize) -> anyhow::Result<Made> {
        let turns = self.grades.len().max(1);
        let grade = self.grades.get(i % turns).copied();
        for _ in 0..MOST_REPEATED {
            // Some numbers of givens are too many or too few for a grade.
            let made = [self.givens.from(i / turns), self.givens.from(0)]
                .into_iter()
                .find_map(|givens| generate(self.shape, givens, grade, &mut self.random));
            match made {
                None => return Err(anyhow!("{}", self.missing(i, "a puzzle", grade))),
                Some(made) if self.seen.insert(made.puzzle.fingerprint()) => return Ok(made),
                Some(_) => {}
            }
        }
        Err(anyhow!("{}", self.missing(i, "another puzzle", grade)))
    }

    fn missing(&self, i: usize, what: &str, grade: Option<Grade>) -> String {
        let Givens { fewest, most } = self.givens;
        let grade = grade.map(|grade| format!(", {grade}")).unwrap_or_default();
        let shape = self.shape;
        format!(
            "{what} of {shape} with {fewest} to {most} givens{grade} was not found (there are {i} already)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_givens() {
        let givens = Ok(Givens { fewest: 3, most: 5 });
        assert_eq!("3-5".parse(), givens);
        assert_eq!("4".parse(), Ok(Givens { fewest: 4, most: 4 }));
        assert_eq!(givens.map(|givens| [0, 1, 2, 3].map(|n| *givens.from(n).start())), Ok([3, 4, 5, 3]));
        for wrong in ["", "-", "5-3", "3-", "-3", "3-4-5", "x"] {
            assert!(wrong.parse::<Givens>().is_err(), "{wrong}");
        }
    }
}
