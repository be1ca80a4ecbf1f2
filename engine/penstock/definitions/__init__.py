"""What a flow and a task are: options, binding, validation, hooks; and finding them in files.

Comes in: functions and options of the user's, then calls. A call goes to `drivers.calls`, a submit to `runners`, a start
from given states to `engines`; the core reads a definition's attributes and never imports it. Calls: everything below.
"""
