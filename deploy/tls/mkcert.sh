#!/usr/bin/env bash
# Make a certificate for a server: DIR/NAME.pem and DIR/NAME.key (EC P-256), signed by the
# authority in DIR (see mkca.sh).  The authority's certificate follows the server's own:
# a host that enrols knows only its fingerprint, and is shown it in the handshake.
#
#     mkcert.sh DIR NAME SAN…          e.g.  mkcert.sh pki server DNS:localhost IP:127.0.0.1
#
# NAME "server" also gets the URI drover:server, by which agents know whom they talk to.
# A certificate that names the same and is good for another month is kept.
set -euo pipefail

umask 077

readonly DAYS=825 KEEP_SECONDS=$((30 * 24 * 3600))

die()
{
	echo "mkcert.sh: $*" >&2
	exit 1
}

# True if the certificate that is there will do.
is_good()
{
	local dir=$1 name=$2 san=$3
	[[ -e $dir/$name.pem && -e $dir/$name.san && $(<"$dir/$name.san") == "$san" ]] &&
		openssl x509 -in "$dir/$name.pem" -noout -checkend "$KEEP_SECONDS" \
			>/dev/null &&
		openssl verify -CAfile "$dir/ca.pem" "$dir/$name.pem" >/dev/null 2>&1
}

make_cert()
{
	local dir=$1 name=$2 san=$3
	cat >"$work/extensions" <<-END
		basicConstraints = critical, CA:FALSE
		keyUsage = critical, digitalSignature
		extendedKeyUsage = serverAuth, clientAuth
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
		subjectAltName = $san
	END
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
		-subj "/CN=drover $name" -keyout "$work/$name.key" -out "$work/request" &&
		openssl x509 -req -in "$work/request" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
			-set_serial "0x$(openssl rand -hex 16)" -sha256 -days "$DAYS" \
			-extfile "$work/extensions" -out "$work/$name.pem"
}

main()
{
	(($# >= 3)) || die "usage: mkcert.sh DIR NAME SAN…"
	local dir=$1 name=$2 san
	[[ -e $dir/ca.pem && -e $dir/ca.key ]] || die "no authority in $dir: run mkca.sh"
	san=$(IFS=,; echo "${*:3}")
	[[ $name != server ]] || san=URI:drover:server,$san
	! is_good "$dir" "$name" "$san" || return 0
	work=$(mktemp -d "$dir/.cert.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	make_cert "$dir" "$name" "$san" 2>"$work/log" ||
		die "openssl cannot make the certificate: $(tail -n 1 "$work/log")"
	cat "$dir/ca.pem" >>"$work/$name.pem"
	chmod 0644 "$work/$name.pem"
	echo "$san" >"$work/$name.san"
	mv "$work/$name.key" "$work/$name.pem" "$work/$name.san" "$dir/"
}

main "$@"
