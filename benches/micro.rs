//! What single steps cost: `cargo bench --bench micro [-- FILTER]`.
//!
//! The serialiser, the comparison of two versions of a file, the walks over a heap, and a patch in one instance, each by itself, in this process and
//! without workers. The figures are of one thread, on a clock that goes on while others use the processor: compare the fastest and the median.

#[path = "micro/apply.rs"]
mod apply;
#[path = "micro/heap.rs"]
mod heap;
#[path = "micro/plan.rs"]
mod plan;
#[path = "micro/serialiser.rs"]
mod serialiser;
#[path = "micro/texts.rs"]
mod texts;
#[path = "micro/workshop.rs"]
mod workshop;

fn main() {
    divan::main();
}
