// SPDX-License-Identifier: MIT
// A refusal that nobody looks at loses work, so ignoring it is a warning, and an error under -Werror.
// expect IGNORED: nodiscard
#include <plateau/result.hpp>

enum class parcel_reason { none, full };

plateau::result<void, parcel_reason> send() { return parcel_reason::full; }

int main() {
#if defined(IGNORED)
    send();
#else
    if (send()) return 1;
#endif
    return 0;
}
