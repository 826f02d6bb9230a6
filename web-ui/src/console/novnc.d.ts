// The part of noVNC that is used; it brings no types of its own.
declare module "@novnc/novnc" {
  export default class RFB {
    constructor(place: HTMLElement, channel: object, options?: { shared?: boolean });
    scaleViewport: boolean;
    focusOnClick: boolean;
    background: string;
    sendCtrlAltDel(): void;
    disconnect(): void;
  }
}
