"""Whatever could run code of a file, or ask the network, is called at one place each."""

import ast

from tests.architecture.test_imports import sources

WHERE = {
    "exec": set(),
    "eval": set(),
    "os.system": set(),
    "torch.load": {"io.tensor_files"},
    "torch.jit.load": set(),
    "torch.hub.load": set(),
    "torch.package.PackageImporter": set(),
    "pickle.load": set(),
    "pickle.loads": set(),
    "joblib.load": set(),
    "loadmat": {"weights.matlab_files"},
    "lmdb.open": {"io.image_stores"},
    "load_from_file": {"checkpoint.written_files"},  # of spandrel, for a file that was just written
    "urlopen": set(),
    "urlretrieve": set(),
    "opener.open": {"weights.transfers"},
    "hf_hub_download": {"weights.transfers"},
}
"""The modules that may call a function of this name."""
BASES = {"pickle.Unpickler": {"io.torchscript"}, "yaml.SafeLoader": {"config.option_files"}}
"""The modules that may build upon a class; a loader of YAML builds upon no other."""


def dotted(node):
    """A name as it is written, `a.b.c`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_files_are_read_by_readers_that_run_nothing():
    called, built_upon, trusting = ({name: set() for name in table} for table in (WHERE, BASES, ("yes",)))
    for module, path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = dotted(node.func)
                for wanted in WHERE:
                    if name == wanted or (
                        "." not in wanted and name.endswith(f".{wanted}") and wanted not in ("exec", "eval")
                    ):
                        called[wanted].add(module)
                keywords = {one.arg: one.value for one in node.keywords}
                for flag, safe in (("allow_pickle", False), ("weights_only", True), ("shell", False)):
                    if flag in keywords and getattr(keywords[flag], "value", None) is not safe:
                        trusting["yes"].add(module)
                if name in ("torch.load", "np.load") and not {"weights_only", "allow_pickle"} & keywords.keys():
                    trusting["yes"].add(module)
                if name in ("yaml.load", "yaml.load_all") and dotted(keywords.get("Loader")) != "_Loader":
                    trusting["yes"].add(module)
            elif isinstance(node, ast.ClassDef):
                for base in map(dotted, node.bases):
                    if base in BASES:
                        built_upon[base].add(module)
    assert called == WHERE and built_upon == BASES and trusting == {"yes": set()}


def test_processes_are_started_at_one_place():
    """With what may be imported there, and without a shell."""
    names = {module for module, path in sources() if "sys.executable" in path.read_text(encoding="utf-8")}
    assert names == {"runtime.new_process"}
