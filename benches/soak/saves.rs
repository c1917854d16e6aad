//! The second phase, in dev mode: the services' own sources are saved again and again.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::memory::Curve;
use crate::world::{PATIENCE, SERVICES, SPOTS, Versions, World, text};

/// Steps between two samples of the memory.
const REST: usize = 10;

/// Goes on for so long.
pub fn go_on(world: &mut World, random: &mut fastrand::Rng, time: Duration) {
    let began = Instant::now();
    let mut curve = Curve::of(world.node.pid());
    let mut versions: [Versions; 2] = [[0; 6]; 2];
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut steps, mut version) = (0, 0);
    while began.elapsed() < time {
        let service = random.usize(0..2);
        version += 1;
        let kind = match random.u32(0..100) {
            0..65 => save(world, random, service, &mut versions[service], version),
            65..73 => save_broken(world, service, versions[service]),
            73..77 => {
                let (said, ok) = world.command(&format!("restart {}", SERVICES[service]));
                assert!(ok, "{said}");
                "restarted"
            }
            _ => {
                world.renew(random);
                "renewed"
            }
        };
        *done.entry(kind).or_default() += 1;
        let census = world.census();
        for (service, expected) in SERVICES.iter().zip(&versions) {
            for (handle, versions) in &census[*service] {
                assert_eq!(versions, expected, "{service} {handle}, after {kind}");
            }
        }
        world.check_load(kind == "restarted");
        steps += 1;
        if steps % REST == 0 {
            curve.sample();
        }
    }
    println!(
        "saves: {steps} steps in {:.0} s: {done:?}",
        began.elapsed().as_secs_f64()
    );
    curve.judge();
}

/// Changes some of the functions, and waits until that is live.
fn save(
    world: &mut World,
    random: &mut fastrand::Rng,
    service: usize,
    versions: &mut Versions,
    version: u64,
) -> &'static str {
    for _ in 0..random.usize(1..=3) {
        versions[random.usize(0..SPOTS.len())] = version;
    }
    write(world, service, &text(*versions));
    let said = said(world, service);
    assert!(said.contains(" function"), "{said}");
    "saved"
}

/// A text with an error in it changes nothing; then it is as it was.
fn save_broken(world: &mut World, service: usize, versions: Versions) -> &'static str {
    let good = text(versions);
    write(world, service, &good.replacen("local state =", "local state", 1));
    let said = self::said(world, service);
    assert!(said.contains(".lua:5: "), "{said}");
    write(world, service, &good);
    let said = self::said(world, service);
    assert!(said.contains("this is what runs"), "{said}");
    "broken and repaired"
}

fn write(world: &World, service: usize, text: &str) {
    let path = world.dir.join(format!("services/{}.lua", SERVICES[service]));
    fs::write(path, text).expect("the file is saved");
}

fn said(world: &World, service: usize) -> String {
    let start = format!("[dev] services/{}.lua:", SERVICES[service]);
    world.node.wait_for(PATIENCE, |line| line.starts_with(&start))
}
