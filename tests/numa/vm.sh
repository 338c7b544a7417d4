#!/bin/bash
# tests/numa/vm.sh PROGRAM: boots a guest of three NUMA nodes, in software, with Debian's kernel and PROGRAM (static, tests/numa/init.c) as its only process. Succeeds if all that it checked held.
# What it downloads and unpacks stays in build/numa-vm. 77: there is no qemu, or no kernel to be had.
set -u
program=$(readlink -f "$1") || exit 1
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1

die() { echo "numa-vm: $*" >&2; exit 1; }
skip() { echo "numa-vm: skipped: $*" >&2; exit 77; }

command -v qemu-system-x86_64 >/dev/null || skip "there is no qemu-system-x86_64 (package qemu-system-x86)"
command -v cpio >/dev/null || skip "there is no cpio"
mkdir -p build/numa-vm && cd build/numa-vm || exit 1

kernel() { ls root/boot/vmlinuz-* 2>/dev/null | tail -n 1; }
if [[ -z $(kernel) ]]; then
    command -v apt-get >/dev/null || skip "no apt-get to fetch a kernel with"
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
    [[ -n $package ]] && apt-get -q download "$package" >download.log 2>&1 || skip "no kernel: $(tail -n 1 download.log 2>/dev/null)"
    dpkg-deb -x "$package"_*.deb root && rm -f "$package"_*.deb
    [[ -n $(kernel) ]] || die "$package has no kernel in it"
fi

rm -rf initramfs && mkdir initramfs && cp "$program" initramfs/init || exit 1
(cd initramfs && find . | cpio -o -H newc --quiet | gzip -1) >initramfs.gz || die "no initramfs"

# Memory: more on node 0 than on 1, so that 1 can be filled; 2 has no processors.
timeout 900 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 4 -m 832M -display none -no-reboot -nodefaults -serial stdio \
    -object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=192M -object memory-backend-ram,id=m2,size=128M \
    -numa node,nodeid=0,memdev=m0,cpus=0-1 -numa node,nodeid=1,memdev=m1,cpus=2-3 -numa node,nodeid=2,memdev=m2 \
    -numa dist,src=0,dst=1,val=21 -numa dist,src=0,dst=2,val=28 -numa dist,src=1,dst=2,val=38 \
    -kernel "$(kernel)" -initrd initramfs.gz -append "console=ttyS0 quiet panic=-1 mitigations=off" </dev/null >console.log 2>&1
status=$?
tr -d '\r' <console.log | grep -E '^(FAIL|numa-vm:)'
if ! grep -qE '^numa-vm: [0-9]+ checks, 0 failed' <(tr -d '\r' <console.log); then
    tr -d '\r' <console.log | tail -n 30 >&2
    die "failed (qemu: $status); all of it is in build/numa-vm/console.log"
fi
