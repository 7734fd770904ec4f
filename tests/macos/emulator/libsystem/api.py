"""The list of models, and how a model is added to it."""

from ..processors import s32


API = {}            # '_name' -> (signature, function, kind)
QUIET, SYS = "quiet", "system"


def api(sig, *names, kind=SYS):
    def deco(f):
        for n in names:
            API[n] = (sig, f, kind)
        return f
    return deco


def const(value, sig, *names, kind=QUIET):
    for n in names:
        API[n] = (sig, lambda w, *a: value, kind)


class VarArgs:
    def __init__(self, w, nfixed):
        self.w, self.n, self.i = w, nfixed, 0

    def p(self):
        a, i = self.w.arch, self.i
        self.i += 1
        if a.varargs_on_stack:
            return a.stack_arg(self.w, i)
        k = self.n + i
        return self.w.uc.reg_read(a.args[k]) if k < len(a.args) else a.stack_arg(self.w, k - len(a.args))

    def int(self):
        return s32(self.p())
