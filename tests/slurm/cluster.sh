#!/usr/bin/env bash
# A real Slurm on this one machine, for tests/slurm: two nodes ("cpu1", and "gpu1" with pretended GPUs), a partition of
# each, and accounting in a private MariaDB. Debian or Ubuntu, as root. Nothing that runs already is touched: with another
# Slurm configured here, it refuses.
#
#   cluster.sh install   the distribution's packages
#   cluster.sh start     configuration, daemons; returns once both nodes are idle
#   cluster.sh stop      ends what it started and clears its state
#
# CLUSTER_CPUS (4) and CLUSTER_MEM_MB (12000) are what each node claims; CLUSTER_GPUS (1) is at most 4.
set -euo pipefail

conf=/etc/slurm                # Not elsewhere: Snakemake's job step drops SLURM_CONF before it calls srun.
base=/var/lib/ethomake-slurm   # everything else lives here
socket=/run/mysqld/mysqld.sock # where slurmdbd looks for a local database
cpus=${CLUSTER_CPUS:-4} memory=${CLUSTER_MEM_MB:-12000} gpus=${CLUSTER_GPUS:-1}

fail() { echo "cluster.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "run it as root."

until_true() { # SECONDS COMMAND…
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "gave up waiting for: $*; see $base/log"
    sleep 0.2
  done
}

end_process() { # PIDFILE
  local pid
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$1"
}

install_packages() {
  local guard=/usr/sbin/policy-rc.d mine=0
  if [ ! -e $guard ]; then # the packages must not start services of their own
    printf '#!/bin/sh\nexit 101\n' >$guard && chmod +x $guard && mine=1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -y -q --no-install-recommends slurm-wlm slurmdbd munge mariadb-server-core mariadb-client-core
  [ $mine = 0 ] || rm -f $guard
}

write_configuration() {
  local host devices=(null zero full random) k
  host=$(hostname -s)
  cat >$conf/slurm.conf <<CONF
# Written by EthoMake's tests/slurm/cluster.sh.
ClusterName=ethomake
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
StateSaveLocation=$base/state
SlurmdSpoolDir=$base/spool.%n
SlurmctldPidFile=$base/run/slurmctld.pid
SlurmdPidFile=$base/run/slurmd.%n.pid
SlurmctldLogFile=$base/log/slurmctld.log
SlurmdLogFile=$base/log/slurmd.%n.log
# No cgroups, which differ from machine to machine; memory is watched by polling instead.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
KillWait=10
OverTimeLimit=0
MinJobAge=900
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
GresTypes=gpu
NodeName=cpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17011 CPUs=$cpus RealMemory=$memory
NodeName=gpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17012 CPUs=$cpus RealMemory=$memory Gres=gpu:$gpus
PartitionName=cpu Nodes=cpu1 Default=YES MaxTime=UNLIMITED
PartitionName=gpu Nodes=gpu1 MaxTime=UNLIMITED
CONF
  : >$conf/gres.conf
  for ((k = 0; k < gpus; k++)); do # any device node does; it is never opened
    echo "NodeName=gpu1 Name=gpu File=/dev/${devices[k]}" >>$conf/gres.conf
  done
  cat >$conf/slurmdbd.conf <<CONF
DbdHost=$host
DbdAddr=127.0.0.1
SlurmUser=root
PidFile=$base/run/slurmdbd.pid
LogFile=$base/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=ethomake_slurm
CONF
  chmod 600 $conf/slurmdbd.conf
}

start() {
  if [ -e $conf/slurm.conf ] && ! grep -q "Written by EthoMake" $conf/slurm.conf; then
    fail "this machine has a Slurm configuration of its own in $conf; use that Slurm."
  fi
  if [ -s $base/run/slurmctld.pid ] && kill -0 "$(cat $base/run/slurmctld.pid)" 2>/dev/null; then
    return 0
  fi
  rm -rf $base
  mkdir -p $conf $base/{run,log,state}
  write_configuration
  if ! munge -n </dev/null 2>/dev/null | unmunge >/dev/null 2>&1; then
    install -d -o munge -g munge -m 755 /run/munge
    install -d -o munge -g munge -m 700 /var/lib/munge /var/log/munge /etc/munge
    if [ ! -s /etc/munge/munge.key ]; then
      (umask 077 && head -c 128 /dev/urandom >/etc/munge/munge.key)
      chown munge:munge /etc/munge/munge.key
    fi
    runuser -u munge -- munged
    : >$base/run/munge_is_ours
    until_true 10 sh -c 'munge -n </dev/null | unmunge'
  fi
  # The core package alone makes no such user.
  id mysql >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin mysql
  install -d -o mysql -g mysql -m 755 /run/mysqld
  install -d -o mysql -g mysql -m 700 $base/db
  chmod 755 $base
  mariadb-install-db --no-defaults --user=mysql --datadir=$base/db --auth-root-authentication-method=socket \
    --skip-test-db >$base/log/install-db.log 2>&1
  mariadbd --no-defaults --user=mysql --datadir=$base/db --socket=$socket --pid-file=$base/db/mariadbd.pid \
    --skip-networking --innodb-flush-log-at-trx-commit=0 --innodb-log-file-size=32M --innodb-buffer-pool-size=64M \
    --innodb-lock-wait-timeout=900 >$base/log/mariadbd.log 2>&1 </dev/null &
  disown
  until_true 30 mariadb --no-defaults --socket=$socket -e 'select 1'
  slurmdbd
  until_true 30 sacctmgr -n list cluster
  sacctmgr -i add cluster ethomake >/dev/null 2>&1 || true
  slurmctld
  until_true 20 scontrol ping
  slurmd -N cpu1
  slurmd -N gpu1
  until_true 30 sh -c '[ "$(sinfo -h -N -t idle -o %N | sort -u | wc -l)" = 2 ]'
}

stop() {
  grep -qs "Written by EthoMake" $conf/slurm.conf || fail "it started no Slurm here."
  scancel --user=root >/dev/null 2>&1 || true
  for name in slurmd.cpu1 slurmd.gpu1 slurmctld slurmdbd; do end_process $base/run/$name.pid; done
  end_process $base/db/mariadbd.pid
  if [ -e $base/run/munge_is_ours ]; then end_process /run/munge/munged.pid; fi
  rm -rf $base $conf/{slurm,gres,slurmdbd}.conf
}

case "${1:-}" in
install) install_packages ;;
start) start ;;
stop) stop ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
