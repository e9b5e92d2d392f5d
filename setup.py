"""Builds poplin._core: the binding and the C core, compiled into one extension module for the limited API."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
LIBRARIES = {  # pkg-config's name: what is needed
    "gnutls": ("3.7.4", "libgnutls28-dev"),
    "libidn": ("1.33", "libidn-dev"),
    "libuv": ("1.40", "libuv1-dev"),
}


def stop(message: str) -> None:
    raise SystemExit(f"poplin: {message}")


def version() -> str:
    """The version, from where CMake has it."""
    found = re.search(r"project\(poplin VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    assert found, "CMakeLists.txt names no version"
    return found.group(1)


def core_sources() -> list[str]:
    """The C sources of the core, from the list that both builds read, and the binding's own."""
    names = (ROOT / "csrc/sources.list").read_text().split()
    return [f"csrc/{name}" for name in names] + sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "bindings/python").glob("*.c")
    )


def headers() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT)) for folder in ("csrc", "bindings/python") for path in (ROOT / folder).rglob("*.h")
    )


def pkg_config(*arguments: str) -> list[str]:
    return subprocess.run(["pkg-config", *arguments], capture_output=True, text=True, check=True).stdout.split()


def check_interpreter() -> None:
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        stop("free-threaded interpreters are not supported: build with an ordinary Python, 3.11 or newer")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        stop("Python.h is missing: install the Debian package python3-dev")


def check_libraries() -> None:
    if not shutil.which("pkg-config"):
        stop("pkg-config is missing: install the Debian package pkg-config")
    for name, (least, package) in LIBRARIES.items():
        if subprocess.run(["pkg-config", f"--atleast-version={least}", name], check=False).returncode:
            stop(f"{name} {least} or newer is missing: install the Debian package {package}")


class BuildCore(build_ext):
    """Finds the libraries only when something is to be compiled, so that metadata needs none of them."""

    def build_extensions(self) -> None:
        check_interpreter()
        check_libraries()
        for extension in self.extensions:
            extension.extra_compile_args += pkg_config("--cflags", *LIBRARIES)
            extension.extra_link_args += pkg_config("--libs", *LIBRARIES)
        super().build_extensions()


setup(
    version=version(),
    ext_modules=[
        Extension(
            "poplin._core",
            core_sources(),
            depends=headers(),
            include_dirs=["csrc", "csrc/include", "bindings/python"],
            # POPLIN_API empty: the module exports nothing, so it cannot meet a libpoplin of the host program's.
            define_macros=[
                ("_GNU_SOURCE", None),
                ("_FILE_OFFSET_BITS", "64"),
                ("Py_LIMITED_API", "0x030B0000"),
                ("POPLIN_API", ""),
            ],
            extra_compile_args=["-std=c17", "-fvisibility=hidden", "-pthread"],
            extra_link_args=["-pthread"],
            py_limited_api=True,
        )
    ],
    cmdclass={"build_ext": BuildCore},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
