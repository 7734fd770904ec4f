"""A Mach-O file in memory."""

import lief

from .errors import EmuError
from .processors import ARCHES


_keep = []


def slice_of(path, arch=None):
    """The thin lief binary for `arch` (or the only/first known one) in a thin or fat file."""
    lief.logging.disable()
    fat = lief.MachO.parse(path, lief.MachO.ParserConfig.deep)
    if fat is None:
        raise EmuError(f"{path}: not a Mach-O file")
    _keep.append(fat)       # lief: a slice does not keep its file alive
    for b in fat:
        for a in ARCHES.values():
            if b.header.cpu_type == a.cpu and arch in (None, a.name):
                return b, a
    raise EmuError(f"{path}: no slice for {arch or 'arm64/x86_64'}")


def sect_type(s):
    return int(s.type.value if hasattr(s.type, "value") else s.type)


class Image:
    def __init__(self, path, b, arch, base):
        self.path, self.b, self.arch = str(path), b, arch
        self.slide = base - b.imagebase
        self.base = base
        self.size = 0
        self.symbols = {}       # name -> runtime address, local ones too when not stripped
        self.exports = {}
        for s in b.symbols:
            if s.value and (int(s.raw_type) & 0x0E) == 0x0E and not int(s.raw_type) & 0xE0:
                self.symbols.setdefault(s.name, s.value + self.slide)
        for s in b.exported_symbols:
            if s.value:
                self.exports[s.name] = s.value + self.slide
        for e in ((b.dyld_info.exports if b.has_dyld_info else []) or []):
            if e.has_symbol:
                self.exports[e.symbol.name] = e.address + base
        if b.has_dyld_exports_trie:
            for e in b.dyld_exports_trie.exports:
                if e.has_symbol:
                    self.exports[e.symbol.name] = e.address + base
        self.by_addr = sorted((a, n) for n, a in self.symbols.items())
        self.tuples = []        # (replacement, replacee address, replacee name)
        self.tlv_range = (0, 0)

    def sections(self, *types):
        return [s for s in self.b.sections if sect_type(s) in types]

    def where(self, addr):
        import bisect
        i = bisect.bisect_right(self.by_addr, (addr, "\xff")) - 1
        if i >= 0:
            a, n = self.by_addr[i]
            return n if a == addr else f"{n}+{addr - a:#x}"
        return f"+{addr - self.base:#x}"
