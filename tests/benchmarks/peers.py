"""The SDKs of ``make bench-sdk``, each alone in a virtual environment under ``.venv-peers``.

The peers come from the package index the first time; Headway is built from this checkout every
time and installed bare, as its users install it.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FOLDER = ROOT / ".venv-peers"
_TOOLS = ("pip", "setuptools")
_LISTING = (
    "import importlib.metadata as m; "
    "print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
)
_COUNTING = "import sys; before = len(sys.modules); {imports}; print(len(sys.modules) - before)"
# Nothing else is imported first, since it might be what the SDK imports too.
_FIRST = """
import os, time
started_s = time.perf_counter()
{imports}
{first}
print((time.perf_counter() - started_s) * 1e3, flush=True)
os._exit(0)
"""
_FOREIGN = ("HEADWAY_", "LANGFUSE_", "OTEL_", "HTTP_PROXY", "http_proxy")


@dataclass(frozen=True, slots=True)
class Peer:
    """An SDK that is measured.

    Args:
        sdk: its name, also in ``sdk_variants``.
        imports: what an application that uses it imports.
        first: the shortest program's rest, to the return of its first logged call.
        requirements: what is installed; none means this checkout.
        is_sending: whether its calls arrive anywhere.
        is_sharing: whether it sees what is installed beside this benchmark, so that both rest on
            the same versions of it.
    """

    sdk: str
    imports: str
    first: str
    requirements: tuple[str, ...] = ()
    is_sending: bool = True
    is_sharing: bool = False

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        home = self.sdk if self.is_sending else HEADWAY.sdk
        return _FOLDER / home / "bin" / "python"

    def install(self) -> None:
        """Make the environment where it is missing; bring Headway up to this checkout."""
        if not self.python.exists():
            venv.create(_FOLDER / self.sdk, with_pip=True)
            if self.is_sharing:
                self._site_packages.joinpath("shared.pth").write_text(sysconfig.get_path("purelib"))
            if self.requirements:
                self._pip("install", *self.requirements)
        if not self.requirements:
            with tempfile.TemporaryDirectory() as folder:
                # Built by the tools of .venv, which has hatchling.
                build = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps")
                subprocess.run(
                    [*build, "--no-build-isolation", "-w", folder, str(ROOT)], check=True
                )
                wheel = str(next(Path(folder).glob("*.whl")))
                self._pip("install", wheel)
                self._pip("install", "--no-deps", "--force-reinstall", wheel)

    def distributions(self) -> dict[str, str]:
        """Return the version of everything installed, without what every environment has."""
        pairs = [line.split("==") for line in self._run(_LISTING).splitlines()]
        return {name: version for name, version in pairs if name not in _TOOLS}

    def site_packages_mb(self) -> float:
        """Return the size of the installed files, without bytecode."""
        folder = self._site_packages
        files = (
            path
            for path in folder.rglob("*")
            if path.is_file()
            and "__pycache__" not in path.parts
            and not path.relative_to(folder).parts[0].startswith((*_TOOLS, "pkg_resources"))
        )
        return sum(path.stat().st_size for path in files) / 2**20

    def time_ms(self, code: str) -> float:
        """Return how long a fresh interpreter takes for ``code``."""
        started_s = time.perf_counter()
        self._run(code)
        return (time.perf_counter() - started_s) * 1e3

    def first_call_ms(self, url: str, folder: str) -> float:
        """Return how long it is from the beginning of the import to the first logged call.

        Args:
            url: of a server that is there.
            folder: an empty one.
        """
        first = self.first.format(url=url, folder=folder)
        return float(self._run(_FIRST.format(imports=self.imports, first=first)))

    def count_modules(self) -> int:
        """Return how many modules an import of the SDK brings."""
        return int(self._run(_COUNTING.format(imports=self.imports)))

    @property
    def _site_packages(self) -> Path:
        (folder,) = (_FOLDER / self.sdk / "lib").glob("python*/site-packages")
        return folder

    def _run(self, code: str) -> str:
        # Not from this folder, where there is much to find beside what is installed.
        done = subprocess.run(
            [self.python, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=_FOLDER,
            env=clean_environment(),
        )
        return done.stdout

    def _pip(self, *arguments: str) -> None:
        pip = (self.python, "-m", "pip", "--disable-pip-version-check", "-q")
        subprocess.run([*pip, *arguments], check=True)


HEADWAY = Peer(
    "headway",
    "import headway",
    """
headway.init(project="bench", url="{url}", journal_dir="{folder}")
headway.observe(kind="llm")(lambda question: question)("hello")
""",
)
OPENTELEMETRY = Peer(
    "opentelemetry",
    "from opentelemetry.sdk.trace import TracerProvider; "
    "from opentelemetry.sdk.trace.export import BatchSpanProcessor; "
    "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter",
    """
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter("{url}/v1/traces")))
with provider.get_tracer("bench").start_as_current_span("first") as span:
    span.set_attribute("gen_ai.input.messages", "hello")
""",
    ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
)
LANGFUSE = Peer(
    "langfuse",
    "import langfuse",
    """
langfuse.Langfuse(public_key="pk-lf-dummy", secret_key="sk-lf-dummy", base_url="{url}")
langfuse.observe(as_type="generation")(lambda question: question)("hello")
""",
    ("langfuse",),
)
PEERS = (HEADWAY, OPENTELEMETRY, LANGFUSE)
FLOOR = Peer("floor", "import msgspec", "", is_sending=False)
"""No SDK: what this machine asks for the least that a journal does, in Headway's environment."""


def clean_environment() -> dict[str, str]:
    """Return this environment without settings of any SDK."""
    return {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
