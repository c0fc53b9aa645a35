"""What went wrong in a learner's code, in one line: where, with what, and what helps."""

import re
import traceback
from types import TracebackType

# What PyTorch and Python say when something goes wrong that goes wrong for nearly everybody once, and what helps.
HINTS_FOR_ERRORS = {
    "Given groups=": "A convolution got another number of channels than it has weights for. Print the shape that goes in: where is its channel axis?",
    "Input type (": "What goes in has another type than the weights, float32. Print its dtype; and think of its range, too.",
    "target dtype": "The labels, *target*, have the wrong type: a class is a whole number, int64.",
    "scalar type Long": "The labels, *target*, have the wrong type: a class is a whole number, int64.",  # before PyTorch 2.14
    "floating point": "That needs floating-point numbers: call .float() first.",
    "result type Float can't be cast": "The tensor holds whole numbers and the result does not: call .float() first.",
    "two bool tensors": "True and False are no numbers yet: call .float() on both first.",
    "leaf Variable that requires grad": "Changing a parameter by hand needs `with torch.no_grad():` around it.",
    "differentiated Tensors does not require": "Nobody asked for this gradient: x = x.clone().requires_grad_() first.",
    "does not require grad": "The loss doesn't know the parameters, so there is no gradient. Is `no_grad` on?",
    "backward through the graph a second time": "These gradients were computed already: compute a new loss first.",
    "modified by an inplace operation": "Numbers changed after the loss. Does step() come before backward()?",
    "mat1 and mat2 shapes": "A linear layer got a list of the wrong length. Look at the shape that goes in.",
    "Boolean value of Tensor": "`if`, `and`, `or`, `not` need one True or False. Masks take &, |, ~ instead.",
    "bitwise_": "& and | combine masks: put each comparison in parentheses, (a == 1) & (b == 1).",
    "context manager": "Are the parentheses missing after a name? `with torch.no_grad():`",
    "'method' object is not iterable": "Are the parentheses missing after a name? `model.parameters()`",
    "multi-target": "The labels need one axis, (N,). Are they in the wrong order? Log-probabilities come first, labels second.",
    "for ^": "A power is written **, not ^.",
    "is not a Module subclass": "nn.Sequential takes modules, made with brackets: nn.ReLU(), not F.relu or nn.Flatten.",
    "only one element tensors": "`math` works on single numbers; a tensor has its own .exp(), .log() and .sqrt().",
    "math domain error": "That is the log or the root of a number below 0. Is it a logarithm already?",
    "is out of bounds.": "A label isn't among the classes 0 to 9. Did you add something to the labels, or subtract it?",
    "is out of bounds": "An index is too large. Did you take a row for a column? Rows come first.",
    "'NoneType'": "Something is None: a function without `return`, or in place, or a gradient never computed?",
    "argument 'keepdim'": "Several dims go together, in one tuple: dim=(…, …).",
    "randperm() received an invalid": "`generator` wants a torch.Generator with the seed in it, not the seed itself.",
    "'ellipsis'": "There is still a ... in your answer: put your code in its place.",
    "on the same device": "Model and images are on different devices. The check's are on the CPU: leave them there.",
    "must match the size of tensor": "Two tensors of different lengths met. Print both shapes.",
    "'list' object has no attribute": "It is a list of numbers: torch.tensor(…) makes a tensor of it.",
    "Can't call numpy() on Tensor that requires grad": "Leave the graph first: .detach().",
    "multiple values": "A tensor of several numbers can't become one number; should there be a mean or a sum?",
    "a Tensor with": "A tensor of several numbers can't become one number; should there be a mean or a sum?",
    "'list' and 'list'": "Python doesn't calculate with whole lists: go through both together, with zip.",
    "positional argument": "Does the first line of your function name the arguments of the exercise, and no others?",
    "maximum recursion depth": "Your function calls itself without end. When should it stop?",
    "is not defined": "Nothing has this name. Is it spelled as in the first line of your function?",
    "must be a real number, not ellipsis": "There is still a ... in your answer: put your code in its place.",
}


def explain(error: BaseException) -> str:
    """Return in one line how a learner's code failed: where, with what, and a hint where the error is a common one."""
    try:
        message = next(iter(str(error).splitlines()), "").removesuffix(", but expected one of:")
    except BaseException:  # an error of their own may fail when it is asked what it says
        message = ""
    if isinstance(error, MemoryError):
        message = message or "there is not enough memory. Are the numbers that large, or does a list grow without end?"
    shown = message.rstrip(".") if len(message) <= 160 else f"{message[:157]}…"
    hint = next((hint for words, hint in HINTS_FOR_ERRORS.items() if words in message), "")
    what = f"{type(error).__name__}: {shown}" if shown else type(error).__name__
    return f"Your code stopped{line_of(error.__traceback__)} with {what}. {hint}".strip()


def line_of(trace: TracebackType | None) -> str:
    """Return where in a notebook's cells an error came up, ` in the line …`; nothing if it was not in a cell."""
    # IPython keeps a cell's text in the line cache, under a name that is no file's.
    frames = [frame for frame in traceback.extract_tb(trace) if re.search("ipykernel|^<", frame.filename)]
    return f" in the line `{frames[-1].line}`" if frames and frames[-1].line else ""
