package message

import (
	"bytes"
	"io"
	"sync"
)

// copyBuffers are in use only while bytes are copied.
var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

const copySize = 32 << 10

var crlf = []byte("\r\n")

// CopyCRLF copies a range of a message as IMAP sends it: every bare LF becomes
// CRLF, CRLF stays, and NUL, which no literal may hold (RFC 9051 §4.3), becomes
// 0x80. It writes exactly the Size of that range's Extent.
func CopyCRLF(w io.Writer, r io.Reader) (n int64, err error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	cr := false
	for {
		k, rerr := r.Read(buf[:])
		if k > 0 {
			b := buf[:k]
			replaceNUL(b)
			k, err := writeCRLF(w, b, cr)
			n += k
			if err != nil {
				return n, err
			}
			cr = b[len(b)-1] == '\r'
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, rerr
		}
	}
}

func replaceNUL(b []byte) {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return
		}
		b[i] = 0x80
		b = b[i+1:]
	}
}

// writeCRLF writes b; cr says that the byte before it was a CR. What is right
// already goes out in one piece.
func writeCRLF(w io.Writer, b []byte, cr bool) (n int64, err error) {
	start, i := 0, 0
	put := func(p []byte) bool {
		k, e := w.Write(p)
		n += int64(k)
		if e == nil && k < len(p) {
			e = io.ErrShortWrite
		}
		err = e
		return e == nil
	}
	for {
		j := indexLF(b[i:])
		if j < 0 {
			break
		}
		i += j
		if i > 0 {
			cr = b[i-1] == '\r'
		}
		if !cr {
			if i > start && !put(b[start:i]) || !put(crlf) {
				return n, err
			}
			start = i + 1
		}
		i++
	}
	if start < len(b) {
		put(b[start:])
	}
	return n, err
}

// AppendCRLF appends b, which begins a range of a message, as CopyCRLF sends it. dst
// may end before b in the same array, with as much room between them as b has LFs.
func AppendCRLF(dst, b []byte) []byte {
	begin := len(dst)
	for {
		i := indexLF(b)
		if i < 0 {
			break
		}
		dst = append(dst, b[:i]...)
		if i == 0 || b[i-1] != '\r' {
			dst = append(dst, '\r')
		}
		dst = append(dst, '\n')
		b = b[i+1:]
	}
	dst = append(dst, b...)
	replaceNUL(dst[begin:])
	return dst
}
