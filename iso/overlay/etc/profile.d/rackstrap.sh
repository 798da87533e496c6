# On an admin node, root's login over SSH shows what the consoles show. A command given to ssh never comes here.
if [ -n "${SSH_TTY-}" ] && [ -z "${TMUX-}" ] && [ "$(id -u)" = 0 ] && [ -e /usr/lib/rackstrap/site-packages ]; then
    /usr/libexec/rackstrap-console --login
fi
