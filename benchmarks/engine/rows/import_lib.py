"""Process that imports the library."""

import _lib

_lib.module()
