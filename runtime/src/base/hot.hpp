/// Where the code of small calls lies.
#pragma once

// A function that every small call runs through, on either side. They are placed side by side in the program: a call
// that finds caches and address translations cold pays for each line and each page that it touches (ipc/DESIGN.md has
// the count).
#if defined(__GNUC__)
#define TENON_HOT [[gnu::hot]]
#else
#define TENON_HOT
#endif
