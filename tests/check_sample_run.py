"""Checks what the sample run promises, from the scores that it wrote: python tests/check_sample_run.py SCORES_CSV."""

import sys

from iqa_sr.scores.score_table import ScoreTable


def promises(table):
    """Each promise with its figures: text, bicubic, final checkpoint, margin that the final one must have."""
    final = str(max(int(row.checkpoint) for row in table.rows if row.checkpoint.isdigit()))
    for text, metric, margin in (
        ("the metric finds the results better than bicubic upscaling", "jod-lite", 0.0),
        ("PSNR against the nearest ground truth is 0.3 dB above bicubic's", "psnr_nearest", 0.3),
        ("PSNR against the original is not below bicubic's", "psnr", 0.0),
    ):
        yield text, table.facts[metric], table.mean("bicubic", metric), table.mean(final, metric), margin


def main(path):
    kept = True
    for text, facts, bicubic, final, margin in promises(ScoreTable.read(path)):
        gain = (final - bicubic) if facts.higher_is_better else (bicubic - final)
        fine = gain > margin if margin == 0.0 and facts.name == "jod-lite" else gain >= margin
        print(f"{'kept  ' if fine else 'BROKEN'} {text}: bicubic {bicubic:.3f}, final {final:.3f}")
        kept = kept and fine
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
