//! Packing and unpacking. Each call goes through a protected call into C with the values as arguments; `nothing` is that call alone.

use std::fmt;

use divan::Bencher;
use divan::counter::BytesCount;
use hotlua::lua::probe::packer::Packer;

use crate::workshop::Workshop;

/// Values by name, and a Lua text that returns them.
struct Values(&'static str, &'static str);

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const VALUES: [Values; 3] = [
    Values("small table", "return 1, 'set', 'key', {a = 1, b = 2, c = {1, 2, 3}}"),
    Values("list of 1000", "local t = {} for i = 1, 1000 do t[i] = i end return t"),
    Values(
        "map of 1000",
        "local t = {} for i = 1, 1000 do t['key' .. i] = i end return t",
    ),
];

/// The packer of these values, in a VM of its own.
fn packer(values: &Values) -> Packer {
    let workshop = Workshop::open();
    let packer = Packer::new(workshop.host.clone(), workshop.instance("svc", ""), values.1);
    packer.unwrap_or_else(|why| panic!("{values}: {why}"))
}

fn measure(bencher: Bencher<'_, '_>, values: &Values, work: fn(&Packer)) {
    let packer = packer(values);
    bencher
        .counter(BytesCount::new(packer.length()))
        .bench_local(|| work(&packer));
}

#[divan::bench(args = VALUES, sample_size = 50)]
fn nothing(bencher: Bencher<'_, '_>, values: &Values) {
    let packer = packer(values);
    bencher.bench_local(|| packer.nothing());
}

#[divan::bench(args = VALUES, sample_size = 50)]
fn pack(bencher: Bencher<'_, '_>, values: &Values) {
    measure(bencher, values, Packer::pack);
}

#[divan::bench(args = VALUES, sample_size = 50)]
fn unpack(bencher: Bencher<'_, '_>, values: &Values) {
    measure(bencher, values, Packer::unpack);
}
