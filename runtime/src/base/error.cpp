#include <tenon/error.hpp>
