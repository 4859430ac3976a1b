# The readiness probe of a worker: the heartbeat of `config/heartbeat.py` counts, and who wrote it
# lives. Like `ready.py` this waits for ten seconds. Python takes eight times as long to start.
left=50
until read -r pid expires < "$1" && kill -0 "$pid"; do
  # A probe must not outlive a stack that is stopped before it is ready.
  [ $((left = left - 1)) -gt 0 ] && kill -0 "$PPID" || exit 1
  sleep 0.2
done 2> /dev/null
[ "$(date +%s)" -lt "$expires" ] # who lives and is silent hangs: to be said soon
