package fsx

import (
	"bytes"
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"
)

// Type is a directory entry's file type as far as readdir tells it.
type Type uint8

// The types that matter here; Unknown means that StatName must be asked.
const (
	Unknown Type = unix.DT_UNKNOWN
	IsDir   Type = unix.DT_DIR
	IsFile  Type = unix.DT_REG
	IsLink  Type = unix.DT_LNK
)

const (
	direntReclen = 16 // offsets in struct linux_dirent64
	direntType   = 18
	direntName   = 19

	direntsFew  = 32 << 10 // bytes asked for at first: most directories have fewer
	direntsMany = 256 << 10
)

// direntBuffers are for the first call of Each, so that a look at a small directory, which a tree has many of, leaves no
// garbage that is larger than it.
var direntBuffers = sync.Pool{New: func() any { return new([direntsFew]byte) }}

// Each calls f for every name but "." and ".." in the system's order until f
// returns false. The bytes are valid during the call only. Names beginning
// with a dot are included.
func (d *Dir) Each(f func(name []byte, typ Type) bool) error {
	if err := d.fs.check("readdir", d.path, ""); err != nil {
		return err
	}
	// A descriptor of its own: the offset of d's would be shared.
	var fd int
	err := d.call("readdir", "", func() (err error) {
		fd, err = unix.Openat(d.fd, ".", openDir, 0)
		return err
	})
	if err != nil {
		return pathError("open", d.path, "", err)
	}
	defer unix.Close(fd)
	few := direntBuffers.Get().(*[direntsFew]byte)
	defer direntBuffers.Put(few)
	buf := few[:]
	for more := false; ; more = true {
		if more {
			if err := d.fs.check("readdir", d.path, ""); err != nil {
				return err
			}
		}
		var n int
		err := eintr(func() (err error) {
			n, err = unix.Getdents(fd, buf)
			return err
		})
		if err != nil {
			return pathError("readdir", d.path, "", err)
		}
		if n <= 0 {
			return nil
		}
		full := n > len(buf)*3/4
		for rest := buf[:n]; len(rest) > direntName; {
			size := int(binary.NativeEndian.Uint16(rest[direntReclen:]))
			if size <= direntName || size > len(rest) {
				return pathError("readdir", d.path, "", unix.EIO)
			}
			name := rest[direntName:size]
			if end := bytes.IndexByte(name, 0); end >= 0 {
				name = name[:end]
			}
			typ := Type(rest[direntType])
			rest = rest[size:]
			if string(name) == "." || string(name) == ".." {
				continue
			}
			if !f(name, typ) {
				return nil
			}
		}
		if full && len(buf) < direntsMany {
			buf = make([]byte, direntsMany)
		}
	}
}

// Names returns all names but "." and ".." in the system's order.
func (d *Dir) Names() ([]string, error) {
	var names []string
	err := d.Each(func(name []byte, _ Type) bool {
		names = append(names, string(name))
		return true
	})
	return names, err
}
