"""How the library is built: a plain shared library that Python loads through ctypes. Where there is no C compiler, the
installation goes on without it.

pyproject.toml names `BuildLibrary`, which setuptools reads from this file alone, without the package. In a checkout
`python -m codec.engine.native.build` builds the library beside its sources.
"""

import os
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parents[3]


class BuildLibrary(build_ext):
    """Makes a library of all sources, without Python's own entry point; on Windows with the compiler from the `ziglang`
    wheel, as they are written for GCC and Clang.
    """

    def finalize_options(self) -> None:
        super().finalize_options()
        for extension in self.extensions:  # pyproject.toml has no pattern for several files
            folder = Path(extension.sources[0]).parent
            extension.sources = sorted(path.as_posix() for path in folder.glob("*.c"))
            extension.depends = sorted(path.as_posix() for path in folder.glob("*.h"))

    def get_export_symbols(self, ext: object) -> list[str]:
        return []

    def build_extension(self, ext: Extension) -> None:
        if sys.platform != "win32":
            return super().build_extension(ext)
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu", "-shared", "-s"]
        subprocess.run([*compiler, *ext.extra_compile_args, *ext.sources, "-o", str(target)], check=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    setup(script_args=["build_ext", "--inplace"])
