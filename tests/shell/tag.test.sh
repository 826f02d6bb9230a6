# fixture: tags, their categories, and which objects have which
#### by tag
Get-VM -Tag prod | % Name; Get-VMHost -Tag prod | % Name; Get-Datastore -Tag prod
## STDOUT:
web-01
db-01
web-02
esx1
## END

#### by a tag of one category, with a name
Get-VM -Tag Environment/prod | % Name; Get-VM web-02 -Tag Use/prod, test | % Name; Get-VM web-* -Tag test | % Name
## STDOUT:
web-01
web-02
web-02
## END

#### a tag that does not exist is not "everything"
Get-VM -Tag nope
## STDERR-has: Get-VM: there is no tag "nope"
## status: 1

#### no tag fits the wildcard
Get-VM -Tag zzz*; $?
## STDOUT:
True
## END

#### a machine that lacks the tag is missed by name
Get-VM web-01 -Tag test
## STDERR-has: there is no vm "web-01"
## status: 1

#### tags of an object
(Get-VM web-02).Tags | % { "$($_.Name) $($_.Id)" }
## STDOUT:
test tag-3
prod tag-2
## END

#### tags and categories
Get-TagCategory; Get-Tag -Category Environment; Get-TagCategory Use | Get-Tag | % Id
## STDOUT:

Name                 Cardinality Description
----                 ----------- -----------
Environment          Single
Use                  Single


Name                 Category             Description
----                 --------             -----------
prod                 Environment
test                 Environment          may stop

tag-2
## END

#### which objects have which
Get-TagAssignment -Category Environment
## STDOUT:

Category             Tag                  Entity
--------             ---                  ------
Environment          prod                 esx1
Environment          prod                 web-01
Environment          test                 web-02

## END

#### of some
Get-VM web-02 | Get-TagAssignment | % { "$($_.Entity) $($_.Category)/$($_.Tag)" }; Get-TagAssignment lan; Get-TagAssignment -Category z*
## STDOUT:
web-02 Environment/test
web-02 Use/prod
## END

#### made, given, taken, removed
New-TagCategory Owner -Cardinality Multiple -Description who | % { "$($_.Name) $($_.Cardinality) $($_.Description)" }
New-Tag ann -Category Owner | % { "$($_.Name) of $($_.Category)" }
Get-VM web-* | New-TagAssignment ann | % { "$($_.Entity) $($_.Tag)" }
New-TagAssignment -Tag ann -Entity lan, tiny | % { "$($_.Entity)" }
Get-VM -Tag ann | Move-VM -Destination esx2 -ErrorAction SilentlyContinue | % Name
Get-VM web-01 | Get-TagAssignment -Category Owner | Remove-TagAssignment -Confirm:$false
Get-VM -Tag ann | % Name
Set-Tag ann -Name bob | % Name
Set-TagCategory Owner -Name Owners | % Name
Remove-Tag bob -Confirm:$false
"[$((Get-VirtualPortGroup lan).Tags.Count)]"
Remove-TagCategory Owners -Confirm:$false
Get-TagCategory | % Name
## STDOUT:
Owner Multiple who
ann of Owner
web-01 ann
web-02 ann
lan
tiny
web-01
web-02
bob
Owners
[0]
Environment
Use
## END

#### refused, and the rest goes on
New-TagAssignment Environment/test web-01, db-01 | % Entity
## STDOUT:
db-01
## END
## STDERR-has: New-TagAssignment: vm "web-01" has a tag of that category already
## status: 1

#### which of two is meant has to be said
New-TagAssignment prod lan
## STDERR-has: -Tag: "prod" fits 2 objects, one is wanted
## status: 1

#### only what is an assignment is taken away
Remove-TagAssignment web-01 -Confirm:$false
## STDERR-has: -TagAssignment: wants what Get-TagAssignment gives
## status: 1

#### without a word of what to change
Set-Tag test
## STDERR-has: Set-Tag wants something to change
## status: 1

#### what would be done
New-TagAssignment test lan -WhatIf; Get-TagAssignment lan
## STDOUT:
What if: Performing "New-TagAssignment" on "lan"
## END
