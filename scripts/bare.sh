# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# bare.sh: a Debian with nothing installed, made on the spot and gone when its user ends. To be
# sourced after lib.sh; root is this tree. Its user defines
#
#   give_up WHY    say why not, and end
#   in_root        what is done inside, with in_bare and install, as root, where mounts do no harm
#
# and calls bare_main "$@". RELEASE of Debian; without it bookworm. Downloaded packages are kept in
# ~/.cache/pagewalk.

release=${RELEASE:-bookworm}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pagewalk/debian-$release
home=/root

say() {
	printf '%s: %s\n' "$me" "$*"
}

# ---- outside ----

# With mounts and processes of its own. Both are gone with the first process in there, also
# after a signal, and nobody outside ever sees the mounts: what removes the root folder
# cannot reach through them. Words to put before a command, not a function: run in the
# background, that would be a shell around unshare, and a signal would reach only the shell.
isolated='unshare --mount --propagation private --pid --fork --kill-child'

# The sources of Debian packages that apt has here, for the release.
list_sources() {
	# shellcheck disable=SC2016 # for apt
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN) $(COMPONENT)' \
		'Created-By: Packages' >"$tmp/targets"
	awk -v release="$release" '
		$3 != "Debian" || $4 != "main" || $2 ~ /backports|proposed/ { next }
		{
			suffix = match($2, /-(security|updates)$/) ? substr($2, RSTART) : ""
			if (suffix && release == "sid")
				next # which has neither
			line = "deb " $1 " " release suffix " main"
		}
		!seen[line]++ { print line }' "$tmp/targets"
}

# How apt is told here to reach them.
list_access() {
	apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries|ForceIPv)' || true
	for scheme in http https; do
		proxy=$(printenv "${scheme}_proxy") || continue
		printf 'Acquire::%s::Proxy "%s";\n' "$scheme" "$proxy"
	done
	echo 'Acquire::Languages "none";'
}

# What keeps us from making a root; nothing if nothing does.
hindrance() {
	if [ "$(id -u)" -ne 0 ]; then
		echo 'this is not root'
	elif ! $isolated mount -t proc proc /proc 2>/dev/null; then
		echo 'mounts are not allowed here'
	elif ! scripts/setup check-bare >"$tmp/log" 2>&1; then
		tail -n 1 "$tmp/log"
	elif ! list_sources >"$tmp/sources.list" || [ ! -s "$tmp/sources.list" ]; then
		echo 'apt has no source of Debian packages here'
	elif [ ! -f "$keyring" ]; then
		echo "$keyring is missing"
	fi
}

remove_tmp() {
	rm -rf --one-file-system "$tmp" 2>/dev/null && return
	sleep 1 # who was killed may have written a last file
	rm -rf --one-file-system "$tmp"
}

stop() {
	trap '' HUP INT TERM
	kill -KILL "$child" 2>/dev/null || true
	wait "$child" || true
	exit 1
}

# Make one, and have in_root called there. reason: what hindered us, or nothing
try_bare() {
	make_tmp
	reason=$(hindrance)
	[ -z "$reason" ] || return 0
	[ -z "$(git -c safe.directory='*' status --porcelain)" ] ||
		say 'changes that are not committed are not looked at'
	list_access >"$tmp/access"
	# In the background, because a trap waits for what is in the foreground.
	$isolated "$root/scripts/$me" --inside "$tmp" &
	child=$!
	trap remove_tmp EXIT
	trap stop HUP INT TERM
	wait "$child"
}

# ---- inside, where mounts do no harm ----

make_root() {
	mirror=$(awk '$3 !~ /-/ { print $2; exit }' "$tmp/sources.list")
	say "making a Debian $release from $mirror"
	mkdir -p "$cache"
	debootstrap --variant=minbase --keyring="$keyring" --cache-dir="$cache" \
		"$release" "$bare" "$mirror" >"$tmp/log" 2>&1 ||
		give_up "debootstrap: $(grep '^[EW]: ' "$tmp/log" || tail -n 1 "$tmp/log")"
	cp "$tmp/sources.list" "$bare/etc/apt/sources.list"
	cp "$tmp/access" "$bare/etc/apt/apt.conf.d/90host"
	for kept in auth.conf auth.conf.d trusted.gpg.d; do
		[ ! -e "/etc/apt/$kept" ] || cp -RL "/etc/apt/$kept" "$bare/etc/apt"
	done
	cp -L /etc/resolv.conf /etc/hosts "$bare/etc"
	mkdir -p "$bare$home"
	git -c safe.directory='*' clone -q "$root" "$bare$home/pagewalk"
}

mount_all() {
	mount -t proc proc "$bare/proc"
	mount --rbind /dev "$bare/dev"
	[ -d ../shared ] || return 0
	mkdir "$bare$home/shared"
	mount --bind ../shared "$bare$home/shared"
	mount -o remount,bind,ro "$bare$home/shared"
}

# in_bare USER-ID COMMAND...
in_bare() {
	id=$1
	shift
	chroot --userspec="$id:$id" --groups= "$bare" env -i LC_ALL=C TERM="${TERM:-dumb}" \
		HOME="$home" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		CI="${CI-}" CHECK_SKIPS="${CHECK_SKIPS-}" PGW_TEST_SEED="${PGW_TEST_SEED-}" "$@"
}

# install PACKAGE...
install() {
	in_bare 0 sh -euc 'export DEBIAN_FRONTEND=noninteractive
		apt-get -q update; apt-get -q -y install --no-install-recommends "$@"' "$me" "$@" \
		>"$tmp/log" 2>&1 ||
		give_up "apt-get: $(grep -m 1 '^E: ' "$tmp/log" || tail -n 1 "$tmp/log")"
}

# copy_packages FROM TO: links where they can be.
copy_packages() {
	find "$1" -maxdepth 1 -name '*.deb' -exec cp -ln -t "$2" {} + 2>/dev/null ||
		find "$1" -maxdepth 1 -name '*.deb' -exec cp -n -t "$2" {} +
}

inside() {
	tmp=$1
	bare=$tmp/root
	mount -t proc proc /proc
	make_root
	mount_all
	copy_packages "$cache" "$bare/var/cache/apt/archives"
	trap 'copy_packages "$bare/var/cache/apt/archives" "$cache"' EXIT
	in_root
}

bare_main() {
	case ${1-} in
	--inside) inside "$2" ;;
	*) outside ;;
	esac
}
