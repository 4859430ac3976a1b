# The readiness probe of a worker: its heartbeat, a file, is fresh, and who wrote it lives.
# `config/heartbeat.py` writes the process's id, and until when to believe it. Like `ready.py` this
# waits for five seconds. Python takes eight times as long to start, every five seconds, per worker.
left=25
until read -r pid expires < "$1" && [ "$(date +%s)" -lt "$expires" ] && kill -0 "$pid"; do
  # A probe must not outlive a stack that is stopped before it is ready.
  [ $((left = left - 1)) -gt 0 ] && kill -0 "$PPID" || exit 1
  sleep 0.2
done 2> /dev/null
