"""``python -m penstock.pod``: what a pod's container runs.

The first statements make the process hear SIGTERM: process 1 has no default action, so a signal that comes earlier is
lost. Everything else is imported after that.
"""

from penstock.pod.guard import Guard

if __name__ == "__main__":
    guard = Guard()
    guard.listen()

    from penstock.pod.main import run

    run(guard)
