import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.runtime import environment, memory_limits
from iqa_sr.runtime.environment import environment_checks, import_cure, mismatched_builds

ROOT = Path(__file__).parents[2]


def versions(monkeypatch, **given):
    known = environment._version
    monkeypatch.setattr(environment, "_version", lambda module: given[module] if module in given else known(module))


def check_of(name, folder):
    return next(check for check in environment_checks(folder) if check.name == name)


def test_nothing_is_wrong_here(tmp_path):
    assert [check for check in environment_checks(tmp_path) if check.state == "problem"] == []


def test_doctor_prints_each_check_and_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path / "nowhere"))
    versions(monkeypatch, plotly=None)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "ok       Python: 3." in shown and "ok       torch: " in shown and f"{tmp_path}: writable" in shown
    assert "note     plotly: not installed\n           -> plots of `iqa-sr report`: pip install plotly" in shown
    assert "metrics have all that they need: " in shown and "jod-lite" in shown
    assert f"note     IQA_SR_WEIGHTS: {tmp_path / 'nowhere'}\n           -> there is no such folder" in shown
    assert "0 problems" in shown


def test_doctor_and_the_list_name_metrics_whose_package_is_too_old(tmp_path, monkeypatch, capsys, synthetic):
    monkeypatch.chdir(tmp_path)
    alone = tmp_path / "weights"  # without those of other tests
    alone.mkdir()
    with synthetic("one-align") as folder, monkeypatch.context() as patch:
        (alone / "one-align").symlink_to(folder / "one-align")
        patch.setenv("IQA_SR_WEIGHTS", str(alone))
        assert main(["doctor"]) == 0
        shown = capsys.readouterr().out
        assert re.search("all that they need: .* qalign,", shown) and "cannot be used" not in shown
        patch.setattr("iqa_sr.runtime.packages.version", lambda name: "4.36.1")
        assert main(["doctor"]) == 0
        shown = capsys.readouterr().out
        assert main(["metrics"]) == 0
    assert not re.search("all that they need: .* qalign,", shown)
    told = (
        "note     deqa, qalign, qalign-aesthetic: cannot be used\n           -> needs transformers 4.48 or later, found"
    )
    assert told in shown
    listed = capsys.readouterr().out
    assert re.search("^qalign .* no transformers ", listed, re.M) and re.search(
        "^deqa .* missing, 16.4 GB ", listed, re.M
    )


def test_doctor_ends_with_1_where_something_will_fail(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    versions(monkeypatch, torch="2.14.1+cpu", torchvision="0.29.1+cu130")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "PROBLEM  torch and torchvision: torchvision 0.29.1+cu130 was built for another torch" in shown
    assert "pip install --force-reinstall torch torchvision" in shown and "1 problem;" in shown


@pytest.mark.parametrize(
    ("torch", "torchvision", "takes", "fits"),
    [
        ("2.15.0", "0.29.2", "torch (>=2.14.0)", True),
        ("2.6.0+cpu", "0.21.0", "torch (==2.6.0)", True),
        ("2.6.0+cpu", "0.21.0+cpu", "torch==2.6.0", True),
        ("2.6.0+cpu", "0.21.0+cu124", "torch==2.6.0", False),
        ("2.6.0", "0.20.1", "torch (==2.5.1)", False),
        ("2.16.0.dev20270101", "0.31.0", "torch (>=2.14.0)", True),
        ("3.0.0", "0.40.0", "torch, and a text that nobody can read", True),  # not known: no false alarm
        (None, "0.20.1", "torch (==2.5.1)", True),
    ],
)
def test_builds_that_fit_each_other(monkeypatch, torch, torchvision, takes, fits):
    versions(monkeypatch, torch=torch, torchvision=torchvision)
    monkeypatch.setattr("importlib.metadata.requires", lambda _name: ["numpy", takes])
    assert (mismatched_builds() is None) is fits


WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Without())
from iqa_sr.cli.main import main
sys.exit(main({arguments!r}))
"""


@pytest.mark.parametrize("module", ["torch", "torchvision"])
def test_a_package_that_is_missing_is_one_line(tmp_path, module):
    arguments = ["train", "-opt", str(ROOT / "options" / "swinir_amo.yml")]
    code = WITHOUT.format(module=module, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (
        f"{module} is not installed: pip install {module}; `iqa-sr doctor` shows what else is missing\n"
    )


def test_a_broken_build_is_one_line(monkeypatch):
    versions(monkeypatch, torch="2.6.0", torchvision="0.20.1")
    monkeypatch.setattr("importlib.metadata.requires", lambda _name: ["torch (==2.5.1)"])
    expected = "torchvision 0.20.1 was built for another torch than the installed 2.6.0; install both anew"
    assert import_cure(RuntimeError("operator torchvision::nms does not exist")).startswith(expected)
    assert import_cure(ImportError("libtorch_cuda.so: undefined symbol: ncclCommSplit")).startswith(expected)
    versions(monkeypatch, torch="2.5.1", torchvision="0.20.1")
    text = import_cure(ImportError("libtorch_cuda.so: undefined symbol: ncclCommSplit"))
    assert text.startswith("torch or torchvision cannot be used: libtorch_cuda.so: undefined symbol")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not fit"),
        ModuleNotFoundError("BasicSR is not installed; it has the answer itself", name="nothing_of_that_name"),
        ModuleNotFoundError("No module named 'iqa_sr.nothing'", name="iqa_sr.nothing"),
        ImportError("cannot import name 'x' from 'iqa_sr'"),
    ],
)
def test_other_errors_are_left_alone(error):
    assert import_cure(error) is None


def test_an_old_python_is_told_before_anything_is_imported(tmp_path):
    code = f"import sys; sys.version_info = (3, 8, 1); exec(open({str(ROOT / 'train_sr.py')!r}).read())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"iqa_sr needs Python 3.10 or newer; this is 3.8, {sys.executable}\n"


def test_free_memory_is_that_of_the_container(tmp_path, monkeypatch):
    for name, content in (("meminfo", "MemTotal: 9000 kB\nMemAvailable: 5000 kB\n"), ("max", "3000000\n")):
        (tmp_path / name).write_text(content)
    (tmp_path / "current").write_text("1000000\n")
    monkeypatch.setattr(memory_limits, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory_limits, "_GROUPS", ())
    assert memory_limits.available_memory() == 5000 * 1024
    monkeypatch.setattr(memory_limits, "_GROUPS", ((tmp_path / "max", tmp_path / "current"),))
    assert memory_limits.available_memory() == 2_000_000
    (tmp_path / "max").write_text("max\n")
    assert memory_limits.available_memory() == 5000 * 1024
    monkeypatch.setattr(memory_limits, "_MEMINFO", tmp_path / "nothing")
    assert memory_limits.available_memory() is None
    assert check_of("memory", tmp_path).state == "ok"


def test_little_memory_is_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "available_memory", lambda: 2**30)
    check = check_of("memory", tmp_path)
    assert (check.state, check.found) == ("note", "1.0 GiB are free") and "num_worker_per_gpu: 0" in check.cure


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path):
    check = check_of("working folder", tmp_path / "nowhere")
    assert check.state == "problem" and "No such file or directory" in check.found
    assert check.cure == "change to a folder of yours"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, "no permission to read or write it; change to a folder of yours"),
        (errno.EROFS, "the file system is read-only; change to a folder of yours"),
        (errno.ENOSPC, "the disk is full; free some space and give the same command again"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, capsys, number, text):
    def fail(*_args, **_kwargs):
        raise OSError(number, "as the system says it", f".schema.json.{'0' * 32}.tmp")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.replace", fail)
    assert main(["schema"]) == 1
    assert capsys.readouterr().err.startswith(f"error: schema.json: {text}")
