#!/bin/bash
# Starts a systemd of its own in new namespaces (mount, pid, uts, ipc, cgroup), which this script is run in.
# $1 a folder for its files, $2 the units, $3 Python's prefix, $4 its packages, $5 the program's source
set -eu
base=$1
mount --make-rprivate /
mount -t proc proc /proc
mkdir -p "$base"/{etc,opt,run,state}
chmod 755 "$base" "$base"/{etc,opt,run,state}
cp -a /etc/. "$base/etc/"
echo 'compass:x:4711:4711::/var/lib/compass:/usr/sbin/nologin' >> "$base/etc/passwd"
echo 'compass:x:4711:' >> "$base/etc/group"
install -d -m 755 "$base/etc/compass" "$base/etc/systemd/units"
cp "$2"/* "$base/etc/systemd/units/"
# Of the machine's own units nothing is started but a few names that others wait for.
for name in basic sysinit shutdown umount final network-online multi-user; do
    printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' "$name" > "$base/etc/systemd/units/$name.target"
done
mkdir -p "$base"/opt/{python,compass/bin,compass/packages,compass/src}
cat > "$base/opt/compass/bin/compass-server" <<'END'
#!/bin/sh
export PYTHONPATH=/opt/compass/src:/opt/compass/packages LD_LIBRARY_PATH=/opt/python/lib PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/python3 -m server.manage "$@"
END
chmod 755 "$base/opt/compass/bin/compass-server"
mount --bind "$base/opt" /opt
mount --bind "$3" /opt/python
mount --bind "$4" /opt/compass/packages
mount --bind "$5" /opt/compass/src
mount --bind "$base/etc" /etc
mount --bind "$base/state" /var/lib
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/etc/systemd/units container=test \
    /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no < /dev/null
