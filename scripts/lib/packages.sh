# shellcheck shell=bash
# Contents of packages that nothing installs. Source it after common.sh.

# unpack_packages FOLDER ADVICE PACKAGE...: FOLDER/PACKAGE is what each package
# would install. A package that is there already is not fetched again.
unpack_packages() {
    local target=$1 advice=$2 tool package updated=false
    shift 2
    for tool in apt-get dpkg-deb python3; do
        command -v "$tool" >/dev/null || die "$tool is needed; or $advice."
    done
    mkdir -p -- "$target"
    for package; do
        [[ ! -d $target/$package ]] || continue
        log "Downloading the package $package"
        if ! download_package "$target" "$package"; then
            # The lists of packages may be absent or old.
            $updated || run_apt update || true
            updated=true
            download_package "$target" "$package" || die "$package could not be downloaded: $advice."
        fi
        rm -rf -- "$target/.$package"
        dpkg-deb --extract "$target/$package"_*.deb "$target/.$package" || die "$package could not be unpacked."
        rm -f -- "$target/$package"_*.deb
        mv -- "$target/.$package" "$target/$package"
    done
}

# download_package FOLDER PACKAGE: into FOLDER. As root, apt-get would give the
# download to a user that cannot write there, and warn about it.
download_package() {
    rm -f -- "$1/$2"_*.deb
    (cd -- "$1" && apt-get download --quiet --quiet -o APT::Sandbox::User=root "$2") >&2
}
