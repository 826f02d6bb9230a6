#include "host-agent/engine/qemu/probe_guest.h"

/* Where the firmware puts the sector. */
#define AT(label) (0x7c00 + (label - probe_guest_sector))

#define PML4 0x1000
#define PDPT 0x2000
#define PD   0x3000

#define CR0_PE	  0x1
#define CR0_PG	  0x80000000
#define CR4_PAE	  0x20
#define EFER	  0xc0000080
#define EFER_LME  0x100
#define PRESENT_W 0x3
#define HUGE	  0x80

	.section .rodata
	.globl probe_guest_sector
	.type probe_guest_sector, @object
probe_guest_sector:
	.code16
	cli
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl AT(gdt_pointer)
	movl %cr0, %eax
	orl $CR0_PE, %eax
	movl %eax, %cr0
	ljmpl $0x08, $AT(protected_mode)

	.code32
protected_mode:
	movw $0x10, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	/* One page of two megabytes, mapped to itself. */
	cld
	movl $PML4, %edi
	xorl %eax, %eax
	movl $3072, %ecx
	rep stosl
	movl $(PDPT | PRESENT_W), PML4
	movl $(PD | PRESENT_W), PDPT
	movl $(HUGE | PRESENT_W), PD
	movl $PML4, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	orl $CR0_PG, %eax
	movl %eax, %cr0
	ljmpl $0x18, $AT(long_mode)

	.code64
long_mode:
	movl $PROBE_GUEST_VALUE, %eax
	movw $PROBE_GUEST_PORT, %dx
	outl %eax, %dx
halt:
	hlt
	jmp halt

	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9a000000ffff	/* 0x08: 32-bit code */
	.quad 0x00cf92000000ffff	/* 0x10: data */
	.quad 0x00af9a000000ffff	/* 0x18: 64-bit code */
gdt_pointer:
	.word gdt_pointer - gdt - 1
	.long AT(gdt)

	.org probe_guest_sector + 510
	.word 0xaa55
	.size probe_guest_sector, . - probe_guest_sector
	.section .note.GNU-stack, "", @progbits
