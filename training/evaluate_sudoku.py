"""Measures a Sudoku model on its held-out puzzles: under both halting rules and with every segment forced,
per grade; exact boards by forced segment; how far q_halt is right about its own board.

    python evaluate_sudoku.py ../models/sudoku-6x6                    markdown, as in the model card
    python evaluate_sudoku.py ../models/sudoku-6x6 --json out.json    the same numbers as JSON too

Rule q: stop at the first segment with q_halt > q_continue. Rule stable: that, and the answer is the one of
the segment before. A board that never stops runs halt_max_steps segments.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from evaluate import percent, table
from hrm import load
from sudoku import Puzzles, rules, trajectories

GRADES = ["easy", "medium", "hard", "extreme"]


def measure(model, data):
    """Everything the tables show."""
    answers, q_halt = trajectories(model, data.puzzles, model.config.halt_max_steps)
    exact = (answers == data.solutions).all(-1)
    stops = rules(answers, q_halt)
    grades, everyone = np.array(data.grades), np.arange(len(data))
    rows, by_segment = [], []
    for grade in [g for g in GRADES if g in grades] + ["all"]:
        chosen = np.flatnonzero(grades == grade) if grade != "all" else everyone
        row = {"grade": grade, "puzzles": len(chosen)}
        for rule, stop in stops.items():
            row[f"{rule}_solved"] = percent(exact[stop, everyone][chosen])
            row[f"{rule}_segments"] = round(float(stop[chosen].mean() + 1), 2)
        row["forced_solved"] = percent(exact[-1, chosen])
        row["forced_cells"] = percent((answers[-1] == data.solutions)[chosen])
        rows.append(row)
        by_segment.append({"grade": grade} | {str(i + 1): percent(share[chosen]) for i, share in enumerate(exact)})
    sure = q_halt > 0
    calibration = {
        "boards_and_segments": sure.size, "right": percent(sure == exact),
        "sure": int(sure.sum()), "sure_and_wrong": int((sure & ~exact).sum()),
        "unsure": int((~sure).sum()), "unsure_and_right": int((~sure & exact).sum()),
        "last_right": percent(sure[-1] == exact[-1]),
    }
    return {"grades": rows, "by_segment": by_segment, "q_halt": calibration}


def markdown(found):
    segments = len(found["by_segment"][0]) - 1
    q = found["q_halt"]
    names = ["q_solved", "q_segments", "stable_solved", "stable_segments", "forced_solved", "forced_cells"]
    return "\n\n".join([
        table(["grade", "puzzles", "solved %, `--halt q`", "segments", "solved %, default rule", "segments",
               f"solved %, always {segments}", f"cells %, always {segments}"],
              [[row["grade"], row["puzzles"]] + [row[name] for name in names] for row in found["grades"]]),
        "Solved (%) when stopped after so many segments:",
        table(["grade"] + [str(i) for i in range(1, segments + 1)], [list(row.values()) for row in found["by_segment"]]),
        f"Over all boards and segments ({q['boards_and_segments']}) `q_halt > q_continue` is right about its own board in "
        f"{q['right']} %: {q['sure_and_wrong']} of {q['sure']} boards that it calls solved are not, "
        f"{q['unsure_and_right']} of {q['unsure']} that it does not call solved are. After the last segment it is right in "
        f"{q['last_right']} %.",
    ])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--held-out", type=Path, help="instead of the model folder's held_out.csv")
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--threads", type=int, default=2)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    found = measure(load(args.model), Puzzles(args.held_out or args.model / "held_out.csv"))
    print(markdown(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
