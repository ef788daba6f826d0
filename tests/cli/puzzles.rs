//! `fathom puzzles`: what was asked for, none twice, and the same for the same seed.

use std::fs;

use fathom_engine::puzzle::sudoku::{Grade, Sudoku, check, grade};

use crate::harness::fathom;

/// Puzzle, solution, givens and grade of each line.
fn made(flags: &[&str]) -> Vec<(Sudoku, Sudoku, usize, Grade)> {
    let text = fathom(&[&["puzzles"], flags].concat()).ok();
    let (header, lines) = text.split_once('\n').expect("a header");
    assert_eq!(header, "puzzle,solution,givens,grade");
    let read = |line: &str| {
        let [puzzle, solution, givens, grade] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let board = |text: &str| text.parse::<Sudoku>().expect(line);
        (board(puzzle), board(solution), givens.parse().expect(line), grade.parse().expect(line))
    };
    lines.lines().map(read).collect()
}

#[test]
fn what_was_asked_for_is_made() {
    let found = made(&["-n", "12", "--grade", "hard,extreme", "--givens", "24-29", "--seed", "3"]);
    assert_eq!(found.len(), 12);
    for (i, (puzzle, solution, givens, stated)) in found.iter().enumerate() {
        assert_eq!(*stated, [Grade::Hard, Grade::Extreme][i % 2]);
        assert_eq!((grade(puzzle), puzzle.givens()), (Some(*stated), *givens));
        assert!((24..=29).contains(givens));
        assert_eq!(check(solution, puzzle), []);
    }
    assert_eq!(found, made(&["-n", "12", "--grade", "hard,extreme", "--givens", "24-29", "--seed", "3"]));
    assert_eq!(made(&[])[0].0.cells().len(), 81);
}

#[test]
fn none_is_made_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [first, lines, second] =
        ["first.csv", "lines.txt", "second.csv"].map(|name| folder.path().join(name).display().to_string());
    let flags = ["puzzles", "--size", "4", "-n", "20", "--givens", "4-6"];
    assert_eq!(fathom(&[&flags[..], &["-o", &first]].concat()).ok(), "");
    let puzzles = |file: &str| -> Vec<u64> {
        let text = fs::read_to_string(file).expect("a file");
        let boards = text.lines().skip(1).map(|line| line[..16].parse::<Sudoku>().expect(line));
        boards.map(|board| board.fingerprint()).collect()
    };
    // The same seed, and yet others; the file may also hold nothing but puzzles.
    let text = fs::read_to_string(&first).expect("a file");
    let bare: Vec<&str> = text.lines().skip(11).map(|line| &line[..16]).collect();
    fs::write(&lines, bare.join("\n")).expect("a file");
    fs::write(&first, text.lines().take(11).collect::<Vec<_>>().join("\n")).expect("a file");
    let without = ["--without", &first, "--without", &lines, "-o", &second];
    fathom(&[&flags[..], &without].concat()).ok();
    let mut all = puzzles(&second);
    assert_eq!(all.len(), 20);
    all.extend(text.lines().skip(1).map(|line| line[..16].parse::<Sudoku>().expect(line).fingerprint()));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 40);
}

#[test]
fn what_cannot_be_made_is_said() {
    for (flags, words) in [
        (&["--size", "5"][..], &["--size", "'5'", "4, 6 or 9"][..]),
        (&["--givens", "40-20"], &["--givens", "40-20"]),
        (&["--givens", "26-82"], &["--givens", "81 cells"]),
        (&["--grade", "brutal"], &["brutal", "extreme"]),
        (&["-n", "0"], &["--count", "'0'"]),
    ] {
        fathom(&[&["puzzles"], flags].concat()).fails(2, words);
    }
    fathom(&["puzzles", "--without", "no/such/file"])
        .fails(1, &["--without", "no/such/file", "no such file"]);
    fathom(&["puzzles", "--out", "no/such/folder/file"]).fails(1, &["--out no/such/folder/file"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("puzzles.csv").display().to_string();
    fs::write(&file, "puzzle\n1...\n").expect("a file");
    fathom(&["puzzles", "--without", &file]).fails(1, &[&file, "line 2", "found 4"]);
    // What fails leaves the file as it was.
    let full = ["puzzles", "--size", "4", "-n", "9", "--givens", "16", "-o", &file];
    fathom(&full).fails(1, &["another puzzle of 4x4", "16 givens"]);
    assert_eq!(fs::read_to_string(&file).expect("a file"), "puzzle\n1...\n");
}
