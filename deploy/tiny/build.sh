#!/usr/bin/env bash
# Build the tiny template: Debian's cloud kernel, busybox and tiny-service on a small
# bootable disk image.  Needs neither root nor mounts nor loop devices.
#
#     build.sh OUT.qcow2 [CACHE-DIR]
#
# What is downloaded and built is kept under CACHE-DIR (default: tiny-cache beside
# OUT); as long as no input changes, another build is a copy.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/sbin:/sbin

readonly MIB=$((1024 * 1024))
readonly BOOT_AT_MIB=1 BOOT_MIB=31 STATE_AT_MIB=32 STATE_MIB=224
readonly MBR_BOOT_CODE=/usr/lib/syslinux/mbr/mbr.bin

# Nothing but what makes the start shorter or the console quiet.
readonly KERNEL_ARGS="console=ttyS0 quiet mitigations=off nokaslr tsc=reliable \
no_timer_check cryptomgr.notests rcupdate.rcu_expedited=1 audit=0 lsm=yama \
ipv6.disable=1 8250.nr_uarts=1 i8042.noaux i8042.nopnp panic=5"

die()
{
	echo "tiny/build.sh: $*" >&2
	exit 1
}

# The fixed dates and ids below make the same inputs give the same image.
export SOURCE_DATE_EPOCH=1700000000 E2FSPROGS_FAKE_TIME=1700000000
export TZ=UTC LC_ALL=C

kernel_package()
{
	apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }'
}

# Download the current kernel package unless the cache has it; print its path.
fetch_kernel()
{
	local package version file
	package=$(kernel_package)
	if [[ -n $package ]]; then
		version=$(apt-cache show --no-all-versions "$package" |
			awk '$1 == "Version:" { print $2; exit }')
		file=$cache/kernel/${package}_${version/:/%3a}_amd64.deb
		[[ -e $file ]] || download_kernel "$package" "$file"
	else
		# Without package lists the kernel of an earlier build still serves.
		file=$(find "$cache/kernel" -name 'linux-image-*.deb' | sort -V | tail -n 1)
		[[ -n $file ]] || die "apt knows no linux-image-cloud-amd64:" \
			"run 'apt-get update'"
	fi
	echo "$file"
}

download_kernel()
{
	local package=$1 file=$2 log=$cache/kernel/download.log
	local -a sandbox=()
	((EUID != 0)) || sandbox=(-o APT::Sandbox::User=root)
	(cd "$cache/kernel" && apt-get "${sandbox[@]}" -qq download "$package") \
		>"$log" 2>&1 || die "cannot download $package: $(tail -n 1 "$log")"
	[[ -e $file ]] || die "downloaded $package, but $file is not there"
}

# One word for everything that goes into the image.
inputs_key()
{
	local deb=$1
	{
		basename "$deb"
		cat "$here"/*.c "${BASH_SOURCE[0]}" "$(type -P busybox)"
		cd "$here" && find rootfs -type f -printf '%p %m\n' -exec cat {} +
	} | sha256sum | cut -c 1-16
}

compile()
{
	local program=$1
	gcc -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Wno-unused-parameter -static \
		-pthread -s -o "$work/root/bin/$program" "$here/$program.c"
}

# Print the .ko files, dependencies first, that the wanted modules need.
module_files()
{
	local module version=$1
	while read -r module; do
		modprobe -d "$work/kernel" -S "$version" -D -q "$module" |
			awk '$1 == "insmod" { print $2 }'
	done <"$here/rootfs/etc/modules" | awk '!seen[$0]++'
}

add_modules()
{
	local version file name
	version=$(ls "$work/kernel/lib/modules")
	depmod -b "$work/kernel" "$version"
	mkdir -p "$work/root/lib/modules"
	module_files "$version" | while read -r file; do
		name=$(basename "$file")
		case $file in
		*.ko) cat "$file" ;;
		*.ko.xz) xz -dc "$file" ;;
		*.ko.zst) zstd -dc "$file" ;;
		*) die "$name is compressed in an unknown way" ;;
		esac >"$work/root/lib/modules/${name%.ko*}.ko"
		echo "${name%.ko*}.ko" >>"$work/root/lib/modules/order"
	done
	rm "$work/root/etc/modules"
}

add_busybox()
{
	local applet
	! readelf -l "$(type -P busybox)" | grep -q INTERP ||
		die "busybox is not static: install busybox-static"
	cp -L "$(type -P busybox)" "$work/root/bin/busybox"
	for applet in $(busybox --list); do
		[[ -e $work/root/bin/$applet ]] || ln -s busybox "$work/root/bin/$applet"
	done
	ln -s bin/busybox "$work/root/init"
}

make_initramfs()
{
	mkdir -p "$work/root"/{bin,dev,proc,seed,sys,state,tmp}
	cp -R "$here/rootfs/." "$work/root/"
	compile tiny-identity
	compile tiny-seed
	compile tiny-service
	add_busybox
	add_modules
	find "$work/root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	(cd "$work/root" && find . -print0 | sort -z |
		cpio --null --quiet --create --format=newc --owner=0:0 --reproducible) \
		>"$work/initrd"
}

write_syslinux_config()
{
	cat >"$work/syslinux.cfg" <<-END
		DEFAULT tiny
		PROMPT 0
		NOESCAPE 1
		LABEL tiny
		LINUX vmlinuz
		INITRD initrd
		APPEND $KERNEL_ARGS
	END
}

make_boot_partition()
{
	local image=$1
	truncate -s "${BOOT_MIB}M" "$image"
	mkfs.fat --invariant -F 16 -s 8 -n TINYBOOT -h $((BOOT_AT_MIB * MIB / 512)) \
		"$image" >/dev/null
	syslinux --install "$image"
	touch -d "@$SOURCE_DATE_EPOCH" "$work/syslinux.cfg" "$work/initrd" "$work/vmlinuz"
	mcopy -m -i "$image" "$work/syslinux.cfg" "$work/initrd" "$work/vmlinuz" ::
}

make_state_partition()
{
	local image=$1 id=d40fe200-7154-4b0a-9d0c-000000000002
	truncate -s "${STATE_MIB}M" "$image"
	mkfs.ext4 -q -m 0 -N 64 -J size=4 -U "$id" -L TINYSTATE \
		-E "hash_seed=$id,lazy_itable_init=0,lazy_journal_init=0" "$image"
}

place()
{
	local image=$1 disk=$2 at_mib=$3
	dd if="$image" of="$disk" bs=1M seek="$at_mib" conv=notrunc,sparse status=none
}

make_disk()
{
	local disk=$work/disk.raw
	truncate -s $((STATE_AT_MIB + STATE_MIB))M "$disk"
	sfdisk -q "$disk" <<-END
		label: dos
		label-id: 0xd40fe200
		start=${BOOT_AT_MIB}MiB, size=${BOOT_MIB}MiB, type=e, bootable
		start=${STATE_AT_MIB}MiB, type=83
	END
	dd if="$MBR_BOOT_CODE" of="$disk" bs=440 count=1 conv=notrunc status=none
	write_syslinux_config
	make_boot_partition "$work/boot.fat"
	make_state_partition "$work/state.ext4"
	place "$work/boot.fat" "$disk" "$BOOT_AT_MIB"
	place "$work/state.ext4" "$disk" "$STATE_AT_MIB"
	qemu-img convert -f raw -O qcow2 "$disk" "$work/disk.qcow2"
}

build()
{
	local deb=$1 result=$2
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	dpkg-deb -x "$deb" "$work/kernel"
	cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
	make_initramfs
	make_disk
	mv "$work/disk.qcow2" "$result"
}

main()
{
	(($# >= 1 && $# <= 2)) || die "usage: build.sh OUT.qcow2 [CACHE-DIR]"
	local out=$1 deb result
	cache=${2:-$(dirname "$out")/tiny-cache}
	mkdir -p "$cache/kernel"
	cache=$(cd "$cache" && pwd)
	deb=$(fetch_kernel)
	result=$cache/tiny-$(inputs_key "$deb").qcow2
	if [[ ! -e $result ]]; then
		rm -f "$cache"/tiny-*.qcow2
		build "$deb" "$result"
	fi
	cp --reflink=auto "$result" "$out.new"
	mv "$out.new" "$out"
}

main "$@"
