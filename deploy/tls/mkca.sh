#!/usr/bin/env bash
# Make a certificate authority of our own: DIR/ca.pem and DIR/ca.key (EC P-256).
#
#     mkca.sh DIR [NAME]
#
# One that is there is kept: every host's certificate hangs on it.  The server signs the
# hosts' certificates with the key when they enrol, so it must be able to read it.
set -euo pipefail

umask 077

readonly DAYS=3650

die()
{
	echo "mkca.sh: $*" >&2
	exit 1
}

make_ca()
{
	local dir=$1 name=$2
	openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-sha256 -days "$DAYS" -subj "/CN=$name" \
		-addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
		-addext "keyUsage=critical,keyCertSign,cRLSign" \
		-keyout "$work/ca.key" -out "$work/ca.pem" 2>"$work/log" ||
		die "openssl cannot make the certificate: $(tail -n 1 "$work/log")"
	chmod 0644 "$work/ca.pem"
	# The certificate last: it stands for the whole.
	mv "$work/ca.key" "$work/ca.pem" "$dir/"
}

main()
{
	(($# == 1 || $# == 2)) || die "usage: mkca.sh DIR [NAME]"
	local dir=$1 name=${2:-Drover CA}
	[[ ! -e $dir/ca.pem ]] || return 0
	[[ -d $dir ]] || install -d -m 0755 "$dir"
	work=$(mktemp -d "$dir/.ca.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	make_ca "$dir" "$name"
}

main "$@"
