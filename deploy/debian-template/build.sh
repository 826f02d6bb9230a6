#!/usr/bin/env bash
# Build the debian template: a small real Debian with cloud-init and the guest agent on a
# bootable disk image.  Needs root (debootstrap does), but neither loop devices nor
# mounts of its own.
#
#     build.sh OUT.qcow2 [CACHE-DIR]
#
# Packages come from where this machine's apt gets them.  What is downloaded and built is
# kept under CACHE-DIR (default: debian-cache beside OUT); as long as no input changes,
# another build is a copy.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/sbin:/sbin

readonly SUITE=bookworm
readonly MIB=$((1024 * 1024))
readonly BOOT_AT_MIB=1 BOOT_MIB=127 ROOT_AT_MIB=128 ROOT_MIB=3968
readonly MBR_BOOT_CODE=/usr/lib/syslinux/mbr/mbr.bin
readonly PACKAGES="linux-image-cloud-amd64 initramfs-tools systemd-sysv systemd-resolved \
dbus udev kmod iproute2 netbase ca-certificates openssh-server qemu-guest-agent \
cloud-init cloud-guest-utils python3-cffi-backend e2fsprogs zstd"

# The clock of the machine is told to the guest by its hardware; nothing of the start
# waits for what a virtual machine does not have.
readonly KERNEL_ARGS="root=LABEL=root rootfstype=ext4 ro console=tty0 console=ttyS0 \
quiet no_timer_check i8042.noaux i8042.nopnp net.ifnames=0 panic=5"

die()
{
	echo "debian-template/build.sh: $*" >&2
	exit 1
}

export LC_ALL=C DEBIAN_FRONTEND=noninteractive

# Where apt gets the suite from.
mirror()
{
	# shellcheck disable=SC2016  # apt fills these in
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(LABEL)' \
		'Created-By: Packages' 2>/dev/null |
		awk -v suite="$SUITE" '$2 == suite && $3 == "Debian" { print $1; exit }'
}

# One word for everything that goes into the image: a newer package is another image.
inputs_key()
{
	{
		cat "${BASH_SOURCE[0]}"
		cd "$here" && find rootfs -type f -printf '%p %m\n' -exec cat {} + | sort
		# shellcheck disable=SC2086
		apt-cache policy $PACKAGES 2>/dev/null | grep -E '^[a-z]|Candidate:'
	} | sha256sum | cut -c 1-16
}

install_packages()
{
	local uri=$1 log=$cache/debootstrap.log
	# shellcheck disable=SC2086
	debootstrap --variant=minbase --cache-dir="$cache/packages" \
		--include="$(tr -s ' ' , <<<"$PACKAGES")" "$SUITE" "$work/root" "$uri" \
		>"$log" 2>&1 || die "debootstrap failed: $(tail -n 3 "$log")"
}

# Whatever is this one machine's must not be every clone's.
forget_identity()
{
	local root=$work/root
	: >"$root/etc/machine-id"
	rm -f "$root"/etc/ssh/ssh_host_*_key* "$root/var/lib/dbus/machine-id"
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log \
		"$root"/var/log/apt "$root"/usr/share/doc/* "$root"/usr/share/man/* \
		"$root"/usr/share/locale/*
	echo debian >"$root/etc/hostname"
}

configure()
{
	local root=$work/root log=$cache/configure.log
	cp -R "$here/rootfs/." "$root/"
	mkdir -p "$root/boot/syslinux"
	ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
	{
		chroot "$root" systemctl enable systemd-networkd systemd-resolved
		chroot "$root" systemctl disable apt-daily.timer apt-daily-upgrade.timer
		chroot "$root" passwd --lock root
		chroot "$root" update-initramfs -u
	} >"$log" 2>&1 || die "configuration failed: $(tail -n 3 "$log")"
	cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
	cp "$root"/boot/initrd.img-* "$work/initrd"
	forget_identity
}

write_syslinux_config()
{
	cat >"$work/syslinux.cfg" <<-END
		DEFAULT debian
		PROMPT 0
		NOESCAPE 1
		LABEL debian
		LINUX vmlinuz
		INITRD initrd
		APPEND $KERNEL_ARGS
	END
}

make_boot_partition()
{
	local image=$1
	truncate -s "${BOOT_MIB}M" "$image"
	mkfs.fat -F 16 -n BOOT -h $((BOOT_AT_MIB * MIB / 512)) "$image" >/dev/null
	syslinux --install "$image"
	mcopy -m -i "$image" "$work/syslinux.cfg" "$work/initrd" "$work/vmlinuz" ::
}

make_root_partition()
{
	local image=$1
	truncate -s "${ROOT_MIB}M" "$image"
	mkfs.ext4 -q -L root -E lazy_itable_init=0,lazy_journal_init=0 -J size=16 \
		-d "$work/root" "$image"
}

place()
{
	dd if="$1" of="$2" bs=1M seek="$3" conv=notrunc,sparse status=none
}

make_disk()
{
	local disk=$work/disk.raw
	truncate -s $((ROOT_AT_MIB + ROOT_MIB))M "$disk"
	sfdisk -q "$disk" <<-END
		label: dos
		start=${BOOT_AT_MIB}MiB, size=${BOOT_MIB}MiB, type=e, bootable
		start=${ROOT_AT_MIB}MiB, type=83
	END
	dd if="$MBR_BOOT_CODE" of="$disk" bs=440 count=1 conv=notrunc status=none
	write_syslinux_config
	make_boot_partition "$work/boot.fat"
	make_root_partition "$work/root.ext4"
	place "$work/boot.fat" "$disk" "$BOOT_AT_MIB"
	place "$work/root.ext4" "$disk" "$ROOT_AT_MIB"
	qemu-img convert -f raw -O qcow2 "$disk" "$work/disk.qcow2"
}

build()
{
	local result=$1 uri
	uri=$(mirror)
	[[ -n $uri ]] || die "apt knows no $SUITE: run 'apt-get update'"
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	install_packages "$uri"
	configure
	make_disk
	mv "$work/disk.qcow2" "$result"
}

main()
{
	(($# >= 1 && $# <= 2)) || die "usage: build.sh OUT.qcow2 [CACHE-DIR]"
	((EUID == 0)) || die "must run as root: debootstrap installs into a chroot"
	type -P debootstrap >/dev/null || die "debootstrap is not installed"
	local out=$1 result
	cache=${2:-$(dirname "$out")/debian-cache}
	mkdir -p "$cache/packages"
	cache=$(cd "$cache" && pwd)
	result=$cache/debian-$(inputs_key).qcow2
	if [[ ! -e $result ]]; then
		rm -f "$cache"/debian-*.qcow2
		build "$result"
	fi
	cp --reflink=auto "$result" "$out.new"
	mv "$out.new" "$out"
}

main "$@"
