// The dialog that is open, and the question before what cannot be taken back.
import type { JSX } from "preact";
import type { Host, Obj, Task, Template, Vm } from "../net/types.ts";
import { tasks } from "../store/collection.ts";
import { actionOf, perform } from "../store/actions.ts";
import { requestOf } from "../store/again.ts";
import { lineOf } from "../store/commands.ts";
import { type DialogName, type Preset, asking, opened } from "../store/dialogs.ts";
import { mayOperate } from "../store/session.ts";
import { isOpen } from "../store/task-filter.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Sent, useSend } from "../ui/send.tsx";
import { moment } from "../ui/text.ts";
import { Clone } from "./clone.tsx";
import { Counters } from "./counters.tsx";
import { TaskState, cancel } from "./dock.tsx";
import { AddHost } from "./enrol.tsx";
import { EditCluster, EditPool, EditTemplate, EditVm, NewFolder, NewPool, Rename } from "./forms.tsx";
import { Maintenance } from "./maintenance.tsx";
import { Migrate } from "./migrate.tsx";
import { NewRule } from "./new-rule.tsx";
import { NewVm } from "./new-vm.tsx";
import { Snapshots } from "./snapshots.tsx";
import { EditTags } from "./tags.tsx";

interface Props {
  objects: Obj[];
  preset?: Preset | undefined;
  onClose: () => void;
}

function TaskDetails({ objects, onClose }: Props) {
  const task = tasks.get<Task>(objects[0]?.id) ?? (objects[0] as Task);
  const facts: [string, string | null][] = [
    [t.task.object, task.entity_name],
    [t.task.by, task.user_name],
    [t.task.started, moment(task.started_at)],
    [t.task.finished, moment(task.finished_at)],
    [t.task.step, task.step],
    [t.task.id, task.id],
  ];
  const sending = useSend();
  const asked = requestOf(task);
  return (
    <Dialog title={task.name} onClose={onClose} wide>
      <p>
        <TaskState task={task} />
      </p>
      <dl class="facts">
        {facts
          .filter(([, v]) => v)
          .map(([k, v]) => (
            <div key={k}>
              <dt>{k}</dt>
              <dd>{v}</dd>
            </div>
          ))}
      </dl>
      {task.result !== null && task.result !== undefined && (
        <>
          <h3>{t.task.result}</h3>
          <pre class="code">{JSON.stringify(task.result, null, 2)}</pre>
        </>
      )}
      {asked && (
        <p class="line">
          <span class="dim">{t.form.command}</span> <code>{lineOf(asked.method, asked.path, asked.body)}</code>
        </p>
      )}
      <Sent of={sending} />
      <div class="buttons">
        {asked && !isOpen(task) && mayOperate() && (
          <button type="button" disabled={sending.busy} onClick={() => void sending.send(asked, { done: onClose })}>
            {t.task.again}
          </button>
        )}
        {isOpen(task) && mayOperate() && (
          <button type="button" class="danger" onClick={() => cancel(task)}>
            {t.task.cancel}
          </button>
        )}
        <button type="button" onClick={onClose}>
          {t.form.close}
        </button>
      </div>
    </Dialog>
  );
}

function fromTemplate(o: Obj | undefined): { template?: string; cluster?: string } {
  if (o?.kind === "template") return { template: (o as Template).id };
  return o?.kind === "cluster" ? { cluster: o.id } : {};
}

const dialogs: Record<DialogName, (p: Props) => JSX.Element | null> = {
  migrate: ({ objects, onClose }) => <Migrate vms={objects as Vm[]} onClose={onClose} />,
  snapshots: ({ objects, onClose }) => <Snapshots vm={objects[0] as Vm} onClose={onClose} />,
  clone: ({ objects, onClose }) => <Clone vm={objects[0] as Vm} onClose={onClose} />,
  counters: ({ objects, onClose }) => <Counters vm={objects[0] as Vm} onClose={onClose} />,
  "edit-vm": EditVm,
  "edit-pool": EditPool,
  "edit-cluster": EditCluster,
  "edit-template": EditTemplate,
  rename: Rename,
  "new-vm": ({ objects, onClose }) => <NewVm {...fromTemplate(objects[0])} onClose={onClose} />,
  "new-pool": NewPool,
  "new-folder": NewFolder,
  "new-rule": ({ objects, onClose }) => (objects[0] ? <NewRule cluster={objects[0]} onClose={onClose} /> : null),
  "add-host": ({ objects, onClose }) => (objects[0] ? <AddHost cluster={objects[0]} onClose={onClose} /> : null),
  maintenance: ({ objects, onClose }) => <Maintenance host={objects[0] as Host} onClose={onClose} />,
  tags: EditTags,
  task: TaskDetails,
};

function Confirm() {
  const ask = asking.value;
  if (!ask) return null;
  const close = (): void => {
    asking.value = null;
  };
  const lines = ask.objects.map((o) => actionOf(ask.action, o)?.request?.(o)).map((r) => r && lineOf(r.method, r.path, r.body));
  return (
    <Dialog title={ask.action.title} onClose={close}>
      <p>{ask.action.confirm}</p>
      <p class="mono long">{ask.objects.map((o) => o.name).join(", ")}</p>
      <p class="line">
        <span class="dim">{t.form.command}</span> <code>{lines.slice(0, 5).join("; ")}</code>
      </p>
      <div class="buttons">
        <button type="button" onClick={close}>
          {t.form.cancel}
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            close();
            void perform(ask.action, ask.objects);
          }}
        >
          {ask.action.title}
        </button>
      </div>
    </Dialog>
  );
}

export function Dialogs() {
  const now = opened.value;
  const Shown = now ? dialogs[now.name] : null;
  return (
    <>
      {now && Shown && <Shown objects={now.objects} preset={now.preset} onClose={() => (opened.value = null)} />}
      <Confirm />
    </>
  );
}
