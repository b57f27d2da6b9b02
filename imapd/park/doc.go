// Package park lets a goroutine wait for a connection's next input on a short stack.
//
// A goroutine that waits in Read keeps the frames of all the layers it came through: an inflater, TLS, the socket.
// Go gives stacks back by halves, and only while less than a quarter is in use; with what the runtime keeps in
// reserve that is about 1.2 of 8 KiB. Some hundred bytes of frames therefore cost an idle connection 4 KiB.
//
// [Socket.Wait] asks the layers for what there is at once. A Socket below them that has nothing says so by an error
// that the layers take for a time-out, after which they may be asked again: so their frames are left, and only then
// the goroutine waits for the socket. It makes no more system calls than Read does, which asks before it waits, too.
package park
