"""The part of the build that pyproject.toml has no words for: the native engine, a plain shared library that Python
loads through ctypes. Where there is no C compiler, the installation goes on without it.

In a checkout, `python setup.py build_ext --inplace` builds it beside its sources.
"""

import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = "codec/engine/native"
SOURCES = sorted(str(path) for path in Path(FOLDER).glob("*.c"))
HEADERS = sorted(str(path) for path in Path(FOLDER).glob("*.h"))


class BuildLibrary(build_ext):
    """Builds a library without Python's own entry point; on Windows with the compiler from the `ziglang` wheel, as
    the sources are written for GCC and Clang.
    """

    def get_export_symbols(self, ext):
        return []

    def build_extension(self, ext):
        if sys.platform != "win32":
            return super().build_extension(ext)
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu", "-shared", "-s"]
        subprocess.run([*compiler, *ext.extra_compile_args, *ext.sources, "-o", str(target)], check=True)


setup(
    cmdclass={"build_ext": BuildLibrary},
    ext_modules=[
        Extension(
            "codec.engine.native._aec",
            SOURCES,
            depends=HEADERS,
            extra_compile_args=["-std=c11", "-O3", "-fvisibility=hidden"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
