//! Puzzles and models of puzzles: what was read can be solved with, drawn and checked.

#![no_main]

use fathom_engine::HrmConfig;
use fathom_engine::puzzle::Task;
use fathom_engine::puzzle::arc::{ArcTask, Grid};
use fathom_engine::puzzle::maze::Maze;
use fathom_engine::puzzle::sudoku::{Sudoku, check, grade};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(config) = HrmConfig::from_json(text, "config.json") {
        assert_eq!(config.hidden_size, config.num_heads * config.head_dim());
        assert!(config.n_positions() >= config.seq_len);
        let _ = Task::of(&config);
    }
    if let Ok(board) = text.parse::<Sudoku>() {
        assert_eq!(board.line().parse::<Sudoku>().as_ref(), Ok(&board));
        let found = board.solutions(2);
        if let Some(solution) = &found.first {
            assert_eq!(check(solution, &board), []);
        }
        assert!(found.n == 1 || grade(&board).is_none());
        let _ = (board.conflicts(), board.candidates(), board.fingerprint());
    }
    if let Ok(maze) = text.parse::<Maze>() {
        let side = maze.width().max(maze.height());
        let tokens = maze.tokens(side).expect("room");
        assert_eq!(maze.answer(&tokens, side).as_ref(), Ok(&maze));
        let _ = maze.check(&maze.clone().unmarked());
    }
    if let Ok(task) = ArcTask::from_json(text) {
        for asked in task.asked {
            assert_eq!(Grid::from_tokens(&asked.input.tokens()), Ok(asked.input));
        }
    }
});
