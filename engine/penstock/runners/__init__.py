"""Work elsewhere: task runs that are submitted, to threads, processes, or a runner of one's own; their futures.

Comes in: definitions with arguments to submit (`submitting`), from `Task.submit` and `Task.map`. Calls: `inside` (the
context that is sent along), `drivers` and what is below.
"""
