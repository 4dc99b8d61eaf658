//! How large tables lie in memory, and how their lines are fetched before they are needed.
//!
//! A table is larger than any cache, and each of its entries is somewhere else: what a packet costs is mostly
//! waiting for memory. So a worker asks for the lines of a few packets before it looks at the first, and the tables are in
//! huge pages where the kernel has them, so that finding a line needs no walk through page tables.
#![expect(
    unsafe_code,
    reason = "hints to the processor and the kernel, which no safe function gives"
)]

/// Tables that are smaller are left to ordinary pages, in bytes.
const HUGE_FROM: usize = 4 << 20;

/// So many entries, each made by `make` from its number, in huge pages if they are large and the kernel agrees.
pub(crate) fn boxed<T>(count: u32, make: impl FnMut(u32) -> T) -> Box<[T]> {
    let mut entries = Vec::with_capacity(count as usize);
    prefer_huge_pages(entries.spare_capacity_mut());
    entries.extend((0..count).map(make));
    entries.into_boxed_slice()
}

fn prefer_huge_pages<T>(memory: &mut [std::mem::MaybeUninit<T>]) {
    let bytes = size_of_val(memory);
    if bytes < HUGE_FROM {
        return;
    }
    let page = 4096;
    let start = (memory.as_ptr() as usize).next_multiple_of(page);
    let end = memory.as_ptr() as usize + bytes;
    // SAFETY: the range lies within memory that is borrowed mutably, and the advice changes none of it. Refusal does no
    // harm, so that the answer does not matter.
    unsafe {
        libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE);
    }
}

/// Asks for the cache line at the start of something that will be read soon.
#[inline(always)]
pub(crate) fn prefetch<T>(what: &T) {
    prefetch_at(what);
}

/// Asks for a cache line. The address need not be one of anything.
#[inline(always)]
pub(crate) fn prefetch_at<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch never faults and changes nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
