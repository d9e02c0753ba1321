"""What can go wrong with the local stack, said in one sentence that names the log or the remedy."""


class StackError(Exception):
    """The stack can't do what was asked; the text is for the person at the keyboard."""
