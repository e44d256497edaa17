#!/bin/bash
# apptainer.sh FOLDER: Apptainer and a tiny image in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/bin/apptainer, FOLDER/image (a tree with busybox) and FOLDER/image.sif (the same as
# a file). What could not be done is said on stderr, and the status is not 0.
set -euo pipefail

folder=$(realpath -m "${1:?usage: apptainer.sh FOLDER}")
# Debian's releases have no Apptainer; its unstable branch has.
suite=sid
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    local conf=$folder/usr/etc/apptainer/apptainer.conf
    unpack "$suite" "$folder" apptainer squashfs-tools squashfuse busybox-static patchelf \
        libc6 libgcc-s1 libstdc++6 libseccomp2 libsqlite3-0 libfuse3-4 libsquashfuse0 zlib1g liblzma5 liblzo2-2 liblz4-1 libzstd1
    relocate "$folder" "$folder/usr/bin" "$folder/usr/lib/$(uname -m)-linux-gnu/apptainer"
    # Moved, it looks for its configuration from where it stands itself; its starter from one folder further down.
    cp -a "$folder/etc" "$folder/usr/"
    mkdir -p "$folder/usr/var/lib/apptainer/mnt/session" "$folder/usr/var/apptainer/mnt/session"
    ln -sfn ../etc "$folder/usr/lib/etc"
    ln -sfn ../var "$folder/usr/lib/var"
    ln -sfn apptainer "$folder/usr/bin/singularity"
    sed -i 's/^systemd cgroups = yes/systemd cgroups = no/' "$conf"
    # Its programs are found here and not on the machine.
    sed -i "s|^# *binary path = .*|binary path = $folder/usr/bin:$folder/usr/sbin:\$PATH:|" "$conf"
    limit_root
}

# A root that lacks some capability, as in many a virtual machine, cannot be given all of them.
limit_root() {
    local names mask held='' n
    names=(chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
        net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin
        sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override
        mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore)
    mask=$((16#$(awk '/^CapPrm/ {print $2}' /proc/self/status)))
    [ "$(id -u)" = 0 ] || return 0
    for n in "${!names[@]}"; do
        if (((mask >> n) & 1)); then held+=${held:+,}CAP_${names[n]^^}; fi
    done
    sed -i 's/^root default capabilities = .*/root default capabilities = file/' "$folder/usr/etc/apptainer/apptainer.conf"
    "$folder/usr/bin/apptainer" --silent capability add --user root "$held"
}

make_image() {
    local tree=$folder/image name
    mkdir -p "$tree"/{bin,dev,proc,sys,tmp,etc,root,cvmfs,var/tmp}
    cp "$(find "$folder/usr/bin" "$folder/bin" -name busybox -print -quit 2>/dev/null)" "$tree/bin/busybox"
    for name in sh ls cat echo env id sleep touch kill mkdir rm printf true false dd pwd wc setsid; do
        ln -sf busybox "$tree/bin/$name"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
    echo 'root:x:0:' >"$tree/etc/group"
    : >"$tree/etc/hosts"
    : >"$tree/etc/resolv.conf"
    echo 'busybox' >"$tree/etc/image-name"
    "$folder/usr/bin/apptainer" --silent build --force --mksquashfs-args '-comp gzip -processors 1' "$folder/image.sif" "$tree"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs make_image
