"""The benchmarks' frame: each claim has its number, reruns are compared, no failure spreads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_lib.pretraining import PretrainConfig, prepare

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))
import claims
import run_all


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda c: c.what)
def test_every_claim_finds_its_number_in_the_record(claim):
    low, median, high = claim.range(claims.RESULTS)
    assert low <= median <= high and claim.aim.split()[0] in (">=", "<=")


def test_a_claim_is_met_by_its_median():
    low, high = (claims.Claim("x", "x", lambda r: r, aim) for aim in ("<= 2", ">= 2"))
    assert low.met((0, 1.9, 5)) and not low.met((0, 2.1, 5))
    assert high.met((0, 2.1, 5)) and not high.met((0, 1.9, 5))


def test_two_runs_agree_if_they_overlap_or_are_near():
    assert claims.agree((1, 2, 3), (2.9, 4, 5)) and claims.agree((1, 2, 2.1), (2.2, 2.2, 2.3))
    assert not claims.agree((1, 2, 3), (3.1, 4, 5))
    assert not claims.agree((1.9, 2, 2.1), (2.3, 2.4, 2.5))
    assert claims.agree((2, 2, 2), (2.4, 2.4, 2.4)) and not claims.agree((2, 2, 2), (2.6, 2.6, 2.6))


def test_the_table_tells_what_was_missed_and_what_differs(tmp_path):
    """The recorded collation, and a rerun with one ratio at a tenth of it."""
    record = json.loads((claims.RESULTS / "collation.json").read_text("utf-8"))
    spread = record["ratios"]["collate"]
    record["ratios"]["collate"] = {k: spread[k] / 10 for k in ("min", "median", "max")}
    (tmp_path / "collation.json").write_text(json.dumps(record), "utf-8")
    lines = claims.table(tmp_path)
    changed, same = (
        next(x for x in lines if x.startswith(name))
        for name in ("collation over", "cost of masking words")
    )
    assert changed.endswith("missed, DIFFERS") and same.endswith("agrees")
    assert not any("agrees" in x for x in lines if x.startswith("packed over"))  # not run again


def test_an_older_record_without_the_number_is_no_record(tmp_path):
    (tmp_path / "step.json").write_text('{"cases": [], "memory": []}', "utf-8")
    assert {c.range(tmp_path) for c in claims.CLAIMS if c.record in ("step", "loop")} == {None}


def test_every_benchmark_is_called_by_make_bench():
    scripts = {p.stem for p in FOLDER.glob("*.py")} - {"claims", "run_all"}
    assert scripts == {name.split()[0] for name in run_all.TIMED | run_all.EXPERIMENTS}


def test_one_that_fails_is_named_and_the_others_run(tmp_path, monkeypatch, capfd):
    for name, last in (
        ("good", "print('measured', *sys.argv[1:])"),
        ("bad", "sys.exit(3)"),
        ("late", "print('late')"),
    ):
        (tmp_path / f"{name}.py").write_text(f"import sys\n{last}\n", "utf-8")
    monkeypatch.setattr(run_all, "HERE", tmp_path)
    monkeypatch.setattr(run_all, "AGAIN", tmp_path / "again")
    three = {"bad": ([], "file"), "good": (["--wall"], "file"), "late": ([], "folder")}
    monkeypatch.setattr(run_all, "TIMED", three)
    monkeypatch.setattr(sys, "argv", ["run_all.py"])
    with pytest.raises(SystemExit, match="failed: bad"):
        run_all.main()
    printed = capfd.readouterr().out
    assert f"measured --wall --out {tmp_path / 'again' / 'good.json'}" in printed
    assert "late" in printed


def test_an_unknown_name_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run_all.py", "colation"])
    with pytest.raises(SystemExit):
        run_all.main()
    assert "no benchmark colation: choose from collation, encoder_parts" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gpu_step", "gpu_pretrain"])
def test_what_needs_a_gpu_runs_small_without_one(name):
    """All but the compiler's last stage and the device: three sides, graphs, both optimisers."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--quick"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    if name == "gpu_step":
        assert found["recompilations"] == 0 and set(found["speedup"]) == {"ours", "ours, lean top"}
    else:
        assert [run["optimizer"] for run in found] == ["adamw", "muon"]
        assert all(run["curve"]["nll"] < 8.4 for run in found)  # ln 4096 = 8.32


def test_the_loop_alone_starts_from_trainers_weights_and_sees_its_batches(monkeypatch):
    import mlm_vs_trainer as beside

    config = PretrainConfig(corpus="films", vocab_size=500, n_layers=1, d_model=16, n_heads=2)
    prepared = prepare(config, progress=False)
    started = {}
    monkeypatch.setattr(
        beside, "_our_loop", lambda config, _, *rest: started.update(config=config, rest=rest)
    )
    beside.run_our_loop(config, prepared, lr=0.01, seed=3)
    model, stream, _ = started["rest"]
    theirs = next(iter(beside.Batches(prepared, seed=3)))
    batch = stream.batch(0)
    assert batch.segment_ids is None and torch.equal(batch.input_ids, theirs["input_ids"])
    assert torch.equal(batch.labels, theirs["labels"]) and started["config"].lr == 0.01
    with torch.no_grad():
        want = beside.their_model(config, prepared, "bert", 3).eval()(theirs["input_ids"]).logits
        assert torch.allclose(model.eval()(batch.input_ids), want, atol=1e-5)


def test_sides_are_paired_by_seed_and_judged_on_masks():
    import mlm_vs_trainer as beside

    worth = {"ours": (1.0, 2.0, 3.0), "theirs": (1.5, 2.5, 3.5), "once": (0.0,)}
    runs = [
        {"name": name, "seed": seed, "validation_nll_mask": nll, "validation_nll": 0.0}
        for name, all_nll in worth.items()
        for seed, nll in reversed(list(enumerate(all_nll)))
    ]
    found = beside.paired(runs)
    assert set(found) == {"theirs - ours"}
    assert found["theirs - ours"]["estimate"] == pytest.approx(0.5)
    assert found["theirs - ours"]["low"] == pytest.approx(0.5)
