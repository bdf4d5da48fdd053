# shellcheck shell=bash
# What the scripts of a cluster know about it; sourced, with $folder set to the cluster's folder.

# The control groups of a cluster, by a name that nothing else has.
group=flotta-cluster-$(printf '%s' "${folder:?}" | cksum | cut -d ' ' -f 1)

# first_process: prints the id of the process that the cluster's namespaces live by, as seen from
# outside.
first_process() {
    local unshare first
    unshare=$(cat "$folder/unshare" 2>/dev/null) || return
    # "123 " without an end of line.
    first=$(cat "/proc/$unshare/task/$unshare/children" 2>/dev/null) || return
    first=${first%% *}
    [ -n "$first" ] && is_ours "$first" && echo "$first"
}

# is_ours PID: a process id may belong to somebody else by now; ours names its folder.
is_ours() {
    tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qxF -- "$folder" &&
        # A zombie has ended, though its id still answers.
        grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"
}

# running: whether the cluster's first process is there.
running() {
    local first
    first=$(cat "$folder/first-process" 2>/dev/null) || first=$(first_process) || return
    is_ours "$first"
}

# inside NAMESPACES COMMAND...: runs a command in namespaces of the cluster, for instance --net.
inside() {
    local namespaces=$1 first
    shift
    first=$(cat "$folder/first-process")
    # shellcheck disable=SC2086 # several flags
    nsenter --target "$first" $namespaces -- "$@"
}

make_control_groups() {
    local controller
    for controller in /sys/fs/cgroup/*/; do
        mkdir -p "$controller$group"
    done
    # A fresh cpuset may run nowhere, and what is put into it fails.
    for controller in cpuset.cpus cpuset.mems; do
        [ ! -e "/sys/fs/cgroup/cpuset/$controller" ] ||
            cat "/sys/fs/cgroup/cpuset/$controller" >"/sys/fs/cgroup/cpuset/$group/$controller"
    done
}

# The kernel frees the groups of ended processes a moment later.
remove_control_groups() {
    local tries=200 top left
    while :; do
        left=
        for top in /sys/fs/cgroup/*/"$group"; do
            [ -d "$top" ] || continue
            find "$top" -depth -type d -exec rmdir {} \; 2>/dev/null || true
            [ ! -d "$top" ] || left=$top
        done
        [ -n "$left" ] || return 0
        tries=$((tries - 1))
        [ $tries -gt 0 ] || break
        sleep 0.05
    done
    echo "cluster: the control group $left could not be removed; processes in it: $(find "$left" -name cgroup.procs -exec cat {} + | paste -sd ' ')" >&2
    return 1
}
