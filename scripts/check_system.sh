#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The system libraries that Blender as a Python module (bpy) is linked against, and that its wheel does not bring.
#   check_system.sh PYTHON      say in words which are missing where this PYTHON cannot import bpy
#   check_system.sh --install   install the missing ones, where that is possible here: Debian or Ubuntu, as root
set -eu

# One line per library: the file that the linker looks for, and the Debian package that has it.
libraries="libX11.so.6 libx11-6
libXrender.so.1 libxrender1
libXfixes.so.3 libxfixes3
libXi.so.6 libxi6
libxkbcommon.so.0 libxkbcommon0
libSM.so.6 libsm6
libICE.so.6 libice6
libGL.so.1 libgl1
libEGL.so.1 libegl1"

missing_packages() {
    cache=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null) || return 0
    echo "$libraries" | while read -r file package; do
        case "$cache" in
        *"$file"*) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

if [ "${1:-}" = --install ]; then
    packages=$(missing_packages)
    [ -n "$packages" ] || exit 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "Blender's module needs system libraries; install these packages and try again: $packages" >&2
        exit 1
    fi
    apt-get update -qq
    # Word splitting is wanted: one argument per package.
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
    exit 0
fi

python=${1:?"usage: check_system.sh PYTHON, or check_system.sh --install"}
if message=$("$python" -c 'import bpy' 2>&1); then
    exit 0
fi
packages=$(missing_packages)
echo "Blender's module (bpy) was installed but cannot be loaded: $(echo "$message" | tail -n 1)" >&2
if [ -n "$packages" ]; then
    echo "It needs system libraries; on Debian and Ubuntu: sudo apt-get install $packages" >&2
else
    echo "It is linked against these libraries of the system: $(echo "$libraries" | cut -d' ' -f1 | tr '\n' ' ')" >&2
fi
exit 1
