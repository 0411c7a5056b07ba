// SPDX-License-Identifier: MIT
// What the lint of the headers instantiates, after all of them were included: the main types of each room with ordinary
// arguments, so that warnings inside templates are seen under every compiler and option.
#pragma once

namespace {

int use_plateau() {
    plateau::inplace_stop_source source;
    const plateau::inplace_stop_callback callback{source.get_token(), [] {}};
    source.request_stop();
    return source.stop_requested() ? 0 : 1;
}

}
