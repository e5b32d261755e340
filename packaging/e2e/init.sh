# The first process of the machine, in its new namespaces: makes the file systems that systemd wants to find, and becomes
# systemd. What it mounts nobody else sees.

root=$1 work=$2
read -r pid _ </proc/self/stat # this is still the /proc of outside
own=$work/overlay              # an empty directory for mounting
mkdir -p "$own"
mount -t tmpfs -o mode=755 tmpfs "$own"
mkdir "$own/upper" "$own/scratch" "$own/root"
mount -t overlay -o "lowerdir=$root,upperdir=$own/upper,workdir=$own/scratch" overlay "$own/root"
echo "$pid" >"$work/leader"

cd "$own/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch dev/$device
	mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
echo pinion-e2e >etc/hostname

mkdir -p .outside
pivot_root . .outside
umount -l /.outside
exec env -i container=pinion-e2e PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd
