"""Does not exist here on purpose; importing it says what to use instead."""

from penstock._absent import absent_module

absent_module(__name__)
