/// Placement of the code that small calls execute.
#pragma once

// Marks a function that every small call executes, in the host or in the worker. These functions are placed next to
// each other in the program: a call that starts with cold caches pays for each cache line and page that it touches
// (ipc/DESIGN.md has the count).
#if defined(__GNUC__)
#define TENON_HOT [[gnu::hot]]
#else
#define TENON_HOT
#endif
