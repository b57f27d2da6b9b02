// Package deflate is the two directions of COMPRESS=DEFLATE (RFC 4978) over a connection, made for sessions
// that are mostly idle.
//
// Reader is an inflater (RFC 1951) of our own. The standard library's hands out what it has decoded only at
// the end of a window or at a stored block; a client that flushes in the middle of a block (zlib's
// Z_PARTIAL_FLUSH, as several IMAP clients do) would wait for ever for an answer to a command that the
// server has received whole. Reader hands out every byte that the bits at hand decide. It costs its 32 KiB
// window, which the client may refer back to at any time; input buffers are pooled and given back whenever
// it has to wait.
//
// Writer borrows a compressor (about 800 KiB in Go) for the time of one Write and ends with a sync flush, so
// that the client can decode all of it and an idle session holds none. Each Write starts without history:
// the blocks of several compressors, none of them marked final, follow each other as one valid stream.
//
// Neither is safe for concurrent use; one goroutine may read while another writes.
package deflate
