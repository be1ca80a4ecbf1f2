"""Write the files that are made from code: `make generate`. A test makes them again and compares.

One list of (path, text), so that the writer and the test cannot disagree about what is generated.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from penstock.base.public_names import names_table
from penstock_dev import chart, podspec
from penstock_dev.fields import fields
from penstock_dev.reference import reference
from penstock_operator.api.admission import images_policy, policies
from penstock_operator.api.crd import FLOW, FLOW_RUN, crd
from penstock_operator.runtime.rights import engine_rules, lease_rules, operator_rules, starter_rules

HEADER = "# Generated from penstock_operator by `make generate`; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """YAML without aliases: the same list twice is written twice, as every reader of a CRD expects."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(*documents: Any) -> str:
    return HEADER + yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=150, allow_unicode=True)


def generated() -> dict[str, str]:
    """Return the text of every generated file by its path in the repository."""
    files = {}
    for kind in (FLOW_RUN, FLOW):
        text = _yaml(crd(kind))
        files[f"crds/{kind.plural}.penstock.dev.yaml"] = text
        files[f"charts/penstock/files/crds/{kind.plural}.penstock.dev.yaml"] = text
    files["charts/penstock/files/policies.yaml"] = _yaml(*policies())
    policy, binding = images_policy("[]")  # the chart puts the patterns of its value restrict.images in
    files["charts/penstock/files/images.yaml"] = _yaml({"policy": policy, "binding": binding})
    files["charts/penstock/files/rights.yaml"] = _yaml(
        {
            "operator": operator_rules(),
            "lease": lease_rules(),
            "engine": engine_rules(),
            "starter": starter_rules(),
        }
    )
    files["docs/names.md"] = (
        "<!-- Generated from penstock.base.public_names by `make generate`; do not edit. -->\n" + names_table()
    )
    files["docs/reference.md"] = reference()
    files["operator/penstock_operator/api/podspec.json"] = podspec.of_schemas()
    files["docs/fields.md"] = fields()
    files["charts/penstock/values.yaml"] = chart.values()
    files["charts/penstock/values.schema.json"] = chart.schema()
    files["charts/penstock/README.md"] = chart.readme()
    return files


RENDERED = "gitops/install/penstock.yaml"


def rendered(root: Path) -> str | None:
    """Return what the chart renders with its defaults, for those who install without Helm; None where there is no helm.

    Args:
        root: the repository, whose other generated files are up to date.
    """
    beside = Path(os.environ.get("KUBEBUILDER_ASSETS", "")) / "helm"
    helm = str(beside) if beside.is_file() else shutil.which("helm")
    if helm is None:
        return None
    command = [helm, "template", "--no-hooks", "penstock", str(root / "charts/penstock"), "-n", "penstock-system"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return HEADER.replace("penstock_operator", "charts/penstock") + done.stdout


def main(root: Path) -> int:
    """Write every generated file that differs below `root`; return 0."""
    for name, text in generated().items():
        _write(root, name, text)
    manifests = rendered(root)
    if manifests is None:
        sys.stderr.write(f"{RENDERED} is left as it is: no helm in KUBEBUILDER_ASSETS or on PATH\n")
    else:
        _write(root, RENDERED, manifests)
    return 0


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[2]))
